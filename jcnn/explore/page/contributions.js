// What each channel adds to a logit: exact where only pooling and flatten lie between maps and logits.

import { gradientsOf } from "./backward.js";
import { isMap, logitsOf } from "./gradcam.js";

const CHANNELS_APART = ["flatten", "reshape", "dropout", "spatial_dropout", "stochastic_depth",
  "average_pool", "max_pool"];

// {logits, maps, shape} of a network whose logits are those of a dense layer: `maps` is the output with
// the maps that it reads, or the vector. null for other networks.
export function headOf({ layers, input }) {
  const logits = logitsOf(layers);
  if (layers[logits - 1].kind !== "dense") return null;
  const shapeOf = (output) => (output === 0 ? input.shape : layers[output - 1].out);
  let [maps] = layers[logits - 1].inputs;
  while (maps > 0 && !isMap(shapeOf(maps)) && CHANNELS_APART.includes(layers[maps - 1].kind)) {
    [maps] = layers[maps - 1].inputs;
  }
  return { logits, maps, shape: shapeOf(maps) };
}

// {shares, bias, logit}: the shares of the channels and the bias add up to the logit. A share is the sum
// of weight times value over the channel's cells that reach the dense layer.
export function sharesOf({ layers }, outputs, { logits, maps, shape }, unit) {
  const gradient = gradientsOf(layers, outputs, logits, unit, maps)[maps];
  const channels = shape.at(-1);
  const shares = new Float64Array(channels);
  gradient.forEach((slope, i) => { shares[i % channels] += slope * outputs[maps][i]; });
  const bias = layers[logits - 1].arrays.bias;
  return { shares, bias: bias ? bias.data[unit] : null, logit: outputs[logits][unit] };
}

// The numbers and their total as texts of the same decimals that add up exactly: rounded down, then as
// many as needed rounded up, largest remainders first. null if they cannot be written so.
export function addingUp(values, total) {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), Math.abs(total));
  if (!(largest < 1e9) || largest === 0) return null;
  const places = Math.max(0, Math.min(12, 3 - Math.floor(Math.log10(largest))));
  const scaled = values.map((value) => value * 10 ** places);
  const whole = scaled.map(Math.floor);
  const sum = Math.round(total * 10 ** places);
  const order = scaled.map((_, i) => i).sort((a, b) => scaled[b] - whole[b] - (scaled[a] - whole[a]) || a - b);
  const missing = sum - whole.reduce((a, b) => a + b, 0);
  if (missing < 0 || missing > values.length) return null;
  for (const i of order.slice(0, missing)) whole[i] += 1;
  const text = (number) => (number / 10 ** places || 0).toFixed(places);
  return { parts: whole.map(text), total: text(sum) };
}
