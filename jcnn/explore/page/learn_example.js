// A model that is trained, and the forward and backward pass of one example in train mode.

import { runBack } from "./backward.js";
import { dropoutMask } from "./dropout_view.js";
import { runLayer } from "./forward.js";
import { convolveLearn, denseLearn, fromFilters, toFilters } from "./learn_gradients.js";
import { bitsOf } from "./learn_random.js";
import { isTrained } from "./learn_weights.js";

const DROPPED = {
  dropout: (layer) => layer.in.reduce((a, b) => a * b, 1),
  spatial_dropout: (layer) => layer.out.at(-1),
  stochastic_depth: () => 1,
};

// A copy of the layers with float64 parameters. `sums[i]` are the derivatives by the parameters of
// layer i, in the layout of the loops; `needed[i]` is whether outputs[i] depends on parameters.
export function makeModel(layers) {
  const own = layers.map((layer) => ({ ...layer, arrays: mapArrays(layer.arrays, ({ data, shape }) =>
    ({ data: Float64Array.from(data), shape })) }));
  const needed = [false];
  for (const [i, layer] of own.entries()) {
    needed[i + 1] = isTrained(layer) || layer.inputs.some((one) => needed[one]);
  }
  const zeros = ({ data }) => new Float64Array(data.length);
  return {
    layers: own, needed,
    sums: own.map((layer) => (isTrained(layer) ? mapArrays(layer.arrays, zeros) : null)),
    byFilter: own.map((layer) => (layer.kind === "conv" ? zeros(layer.arrays.kernel) : null)),
  };
}

function mapArrays(arrays, convert) {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, convert(array)]));
}

// Before the examples of a batch.
export function clearSums(model) {
  model.layers.forEach((layer, i) => {
    for (const sums of Object.values(model.sums[i] ?? {})) sums.fill(0);
    if (layer.kind === "conv") toFilters(layer.arrays.kernel.data, layer.out[2], model.byFilter[i]);
  });
}

// After them: the mean over `count` examples, for each layer {name: numbers} in the layout of the
// parameters.
export function meanGradients(model, count) {
  return model.layers.map((layer, i) => {
    if (model.sums[i] === null) return {};
    const mean = mapArrays(model.sums[i], (sums) => sums.map((sum) => sum / count));
    if (layer.kind === "conv") fromFilters(mean.kernel.slice(), layer.out[2], mean.kernel);
    return mean;
  });
}

// The sum so far of one parameter's derivatives; `at` is its index in its array.
export function sumAt(model, { layer: index, name, at }) {
  const layer = model.layers[index];
  const sums = model.sums[index][name];
  if (layer.kind !== "conv" || name === "bias") return sums[at];
  const filters = layer.out[2];
  return sums[(at % filters) * (sums.length / filters) + Math.floor(at / filters)];
}

// Outputs of all layers but the softmax. In train mode, dropout has masks drawn from `seeds`.
export function runExample(model, x, seeds = null) {
  const outputs = [x];
  const masks = [];
  for (let i = 0; i < model.layers.length - 1; i++) {
    const layer = model.layers[i];
    const [input] = layer.inputs;
    if (seeds && layer.kind in DROPPED && layer.rate > 0) {
      masks[i] = scaledMask(layer, trainingMask(layer, i, seeds), outputs[input].length);
      outputs[i + 1] = multipliedBy(outputs[input], masks[i]);
    } else outputs[i + 1] = runLayer(layer, ...layer.inputs.map((one) => outputs[one]));
  }
  return { outputs, masks };
}

// The mask of a dropout layer, 1 for what is kept.
export function trainingMask(layer, index, seeds) {
  return dropoutMask(DROPPED[layer.kind](layer), layer.rate, bitsOf(...seeds, index));
}

// The mask for each number, kept ones scaled by 1 / (1 - rate).
function scaledMask(layer, mask, count) {
  const factor = 1 / (1 - layer.rate);
  const scaled = new Float64Array(count);
  for (let i = 0; i < count; i++) scaled[i] = mask[i % mask.length] * factor;
  return scaled;
}

function multipliedBy(numbers, factors) {
  const product = new Float64Array(numbers.length);
  for (let i = 0; i < product.length; i++) product[i] = numbers[i] * factors[i];
  return product;
}

// The cross-entropy of the class `label`, and the probabilities of all classes, from the logits.
export function crossEntropy(logits, label) {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return { loss: Math.log(sum) + largest - logits[label], probabilities: powers.map((power) => power / sum) };
}

// One example in train mode: its loss and probabilities; its derivatives are added to model.sums.
export function learnExample(model, x, label, seeds) {
  const { layers, needed, sums } = model;
  const { outputs, masks } = runExample(model, x, seeds);
  const logits = layers.at(-1).inputs[0];
  const { loss, probabilities } = crossEntropy(outputs[logits], label);
  const gradients = [];
  gradients[logits] = probabilities.slice();
  gradients[logits][label] -= 1;
  for (let i = logits - 1; i >= 0; i--) {
    const gradient = gradients[i + 1];
    if (gradient === undefined || !needed[i + 1]) continue;
    const layer = layers[i];
    const xs = layer.inputs.map((one) => outputs[one]);
    const parts = partsOf(model, i, xs, outputs[i + 1], gradient, masks[i], sums[i]);
    layer.inputs.forEach((one, k) => {
      if (!needed[one]) return;
      if (gradients[one]) for (let n = 0; n < parts[k].length; n++) gradients[one][n] += parts[k][n];
      else gradients[one] = parts[k];
    });
  }
  return { loss, probabilities };
}

// The derivatives by each input of layer i.
function partsOf(model, i, xs, y, gradient, mask, sums) {
  const layer = model.layers[i];
  const needed = model.needed[layer.inputs[0]];
  if (layer.kind === "conv") {
    return [convolveLearn(layer, xs[0], gradient, model.byFilter[i], sums.kernel, sums.bias, needed)];
  }
  if (layer.kind === "dense") {
    return [denseLearn(layer, xs[0], gradient, layer.arrays.kernel.data, sums.kernel, sums.bias, needed)];
  }
  return mask ? [multipliedBy(gradient, mask)] : runBack(layer, xs, y, gradient);
}
