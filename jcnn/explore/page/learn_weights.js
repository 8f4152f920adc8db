// The parameters with which a training in the page starts anew, by the formulas of jcnn's initializers.

import { truncatedNormalOf, uniformOf } from "./learn_random.js";
import { sizeOf } from "./shapes.js";

// The standard deviation of a normal distribution that is cut off at 2 deviations.
const CUT = 0.8796256610342398;

// Glorot and Bengio (2010); He et al. (2015). `ins` and `outs` are fan in and fan out.
export const INITIALIZERS = {
  glorot_uniform: (ins, outs) => {
    const limit = Math.sqrt(6 / (ins + outs));
    return (...place) => limit * (2 * uniformOf(...place) - 1);
  },
  he_normal: (ins) => {
    const deviation = Math.sqrt(2 / ins) / CUT;
    return (...place) => deviation * truncatedNormalOf(...place);
  },
  he_uniform: (ins) => {
    const limit = Math.sqrt(6 / ins);
    return (...place) => limit * (2 * uniformOf(...place) - 1);
  },
};

// For each layer {name: numbers}, of those that are trained; a bias starts at zero.
export function initialWeights(layers, initializer, seed) {
  return layers.map((layer, index) => {
    if (!isTrained(layer)) return {};
    const { kernel, bias } = layer.arrays;
    const cells = sizeOf(kernel.shape.slice(0, -2));
    const [ins, outs] = kernel.shape.slice(-2);
    const draw = INITIALIZERS[initializer](cells * ins, cells * outs);
    const numbers = Float64Array.from({ length: kernel.data.length }, (_, i) => draw(seed, index, i));
    return { kernel: numbers, ...(bias && { bias: new Float64Array(bias.data.length) }) };
  });
}

// The parameters as they are now.
export function weightsOf(layers) {
  return layers.map((layer) => (isTrained(layer) ? Object.fromEntries(
    Object.entries(layer.arrays).map(([name, { data }]) => [name, Float64Array.from(data)])) : {}));
}

export function isTrained(layer) {
  return layer.kind === "conv" || layer.kind === "dense";
}
