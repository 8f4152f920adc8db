// The layers that the tour talks about, found in any network.

import { isMap, logitsOf } from "./gradcam.js";
import { receptiveFields } from "./receptive_field.js";
import { sizeOf, unitAt } from "./shapes.js";

const DROPOUTS = ["dropout", "spatial_dropout", "stochastic_depth"];
const JOINS = ["add", "multiply", "concatenate"];
const POOLS = ["max_pool", "average_pool"];

// {role: index of a layer}; a role that no layer has is null. `logits` is the layer of the class
// scores whatever its kind, `dense` the same if it is a dense layer.
export function rolesOf({ layers, classes }) {
  const first = (test) => {
    const found = layers.findIndex(test);
    return found < 0 ? null : found;
  };
  const conv = first(({ kind }) => kind === "conv");
  const logits = logitsOf(layers) - 1;
  const scores = layers.at(-1).kind === "softmax" && sizeOf(layers.at(-1).out) === classes.length;
  return {
    conv,
    activation: first((layer, i) => layer.kind === "activation" && layer.function !== "softmax" && i > (conv ?? -1)),
    deep: deeper(layers, conv),
    padded: first(({ kind, padding }) => (kind === "conv" || POOLS.includes(kind)) && padding.flat().some((n) => n > 0)),
    pool: first(({ kind, window, in: shape }) => POOLS.includes(kind) && (window[0] < shape[0] || window[1] < shape[1])),
    join: first(({ kind, inputs, out }) => JOINS.includes(kind) && inputs.length > 1 && isMap(out)),
    flatten: first(({ kind, in: shape }) => kind === "flatten" && shape.length === 3),
    dropout: first(({ kind, rate }) => DROPOUTS.includes(kind) && rate > 0),
    logits,
    dense: layers[logits].kind === "dense" && scores ? logits : null,
    softmax: scores ? layers.length - 1 : null,
  };
}

// The last convolution after the first whose field is larger than that of the first and smaller than
// the picture; else the first whose field is larger.
function deeper(layers, conv) {
  if (conv === null) return null;
  const picture = layers[conv].in[0] * layers[conv].in[1];
  const least = fieldSizeOf(layers, conv, middleOf(layers[conv].out));
  let found = null;
  for (let i = conv + 1; i < layers.length; i++) {
    if (layers[i].kind !== "conv" || !isMap(layers[i].out)) continue;
    const size = fieldSizeOf(layers, i, middleOf(layers[i].out));
    if (size > least && (found === null || size < picture)) found = i;
  }
  return found;
}

// The number of pixels in the receptive field of a unit.
export function fieldSizeOf(layers, layer, unit) {
  return receptiveFields(layers, layer, unit)[0]?.pixels ?? 0;
}

// The unit in the middle of a map.
export function middleOf(shape, channel = 0) {
  return unitAt(shape, Math.floor(shape[0] / 2), Math.floor(shape[1] / 2), channel);
}
