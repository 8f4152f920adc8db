// Layer and group normalisation, whose mean and variance are those of the example itself: of all
// channels of one cell, or of some channels over the whole map.

import { volumeOf } from "./shapes.js";

// The number of the set of units that are normalised together.
export function setOf(layer, unit) {
  const channels = layer.out.at(-1);
  if (layer.kind === "layer_norm") return Math.floor(unit / channels);
  return Math.floor((unit % channels) / (channels / layer.groups));
}

// Mean and variance of each set of units.
export function momentsOf(layer, x) {
  const [height, width, channels] = volumeOf(layer.out);
  const sets = layer.kind === "layer_norm" ? height * width : layer.groups;
  const count = x.length / sets;
  const setsOf = Int32Array.from(x, (_, unit) => setOf(layer, unit));
  const [mean, variance] = [new Float64Array(sets), new Float64Array(sets)];
  x.forEach((value, unit) => { mean[setsOf[unit]] += value; });
  for (let set = 0; set < sets; set++) mean[set] /= count;
  x.forEach((value, unit) => { variance[setsOf[unit]] += (value - mean[setsOf[unit]]) ** 2; });
  for (let set = 0; set < sets; set++) variance[set] /= count;
  return { mean, variance, count, channels };
}

export function exampleNormalised(layer, x) {
  const { mean, variance, channels } = momentsOf(layer, x);
  const { scale, offset } = layer.arrays;
  return x.map((value, unit) => {
    const set = setOf(layer, unit);
    const channel = unit % channels;
    const normal = (value - mean[set]) / Math.sqrt(variance[set] + layer.epsilon);
    return normal * (scale ? scale.data[channel] : 1) + (offset ? offset.data[channel] : 0);
  });
}

// The error of x is divided by the deviation; so is that of the mean, at most as large.
export function exampleNormTolerances(layer, x, before) {
  const { mean, variance, channels } = momentsOf(layer, x);
  const { scale, offset } = layer.arrays;
  const worst = new Float64Array(mean.length);
  before.forEach((error, unit) => {
    const set = setOf(layer, unit);
    worst[set] = Math.max(worst[set], error);
  });
  return x.map((value, unit) => {
    const set = setOf(layer, unit);
    const channel = unit % channels;
    const factor = (scale ? Math.abs(scale.data[channel]) : 1) / Math.sqrt(variance[set] + layer.epsilon);
    const terms = (Math.abs(value) + Math.abs(mean[set])) * factor + (offset ? Math.abs(offset.data[channel]) : 0);
    return Math.max(1e-5 * Math.max(1, terms), (before[unit] + worst[set]) * factor);
  });
}

// The indices of x that are normalised together with the unit, ascending.
export function exampleNormSources(layer, unit) {
  const channels = layer.out.at(-1);
  const set = setOf(layer, unit);
  if (layer.kind === "layer_norm") return Array.from({ length: channels }, (_, k) => set * channels + k);
  const [height, width] = volumeOf(layer.out);
  const perGroup = channels / layer.groups;
  return Array.from({ length: height * width * perGroup }, (_, i) =>
    Math.floor(i / perGroup) * channels + set * perGroup + (i % perGroup));
}

// The box that a box of the output reads.
export function exampleNormField(layer, box) {
  const [height, width, channels] = volumeOf(layer.out);
  const upToSize = (size) => Array.from({ length: size }, (_, i) => i);
  if (layer.kind === "layer_norm") return { ...box, channels: upToSize(channels) };
  const sets = new Set(box.channels.map((channel) => setOf(layer, channel)));
  return {
    rows: upToSize(height), columns: upToSize(width),
    channels: upToSize(channels).filter((channel) => sets.has(setOf(layer, channel))),
    reach: [[0, height - 1], [0, width - 1]],
  };
}
