// Two models of one page: which is shown, the outputs of both, and in what they differ.

import { runFrom } from "./forward.js";
import { afterPass } from "./passes.js";
import { change, state } from "./state.js";

export const MODEL_LETTERS = ["A", "B"];

let hiddenRun = { input: null, network: null, outputs: null }; // the outputs of the model that is not shown

// The input and outputs of model k for the picture that is shown.
export function outputsOfModel(k) {
  const network = state.network.models[k];
  const [input] = state.outputs;
  if (network === state.network) return state.outputs;
  if (hiddenRun.input !== input || hiddenRun.network !== network) {
    const outputs = [input];
    runFrom(network.layers, outputs, 0);
    hiddenRun = { input, network, outputs };
  }
  return hiddenRun.outputs;
}

// Show model k, once a pass under way is done.
export function takeModel(k, patch = {}) {
  if (state.pass) {
    afterPass(() => takeModel(k, patch));
    return;
  }
  const outputs = outputsOfModel(k);
  hiddenRun = { input: state.outputs[0], network: state.network, outputs: state.outputs };
  change({ model: k, network: state.network.models[k], outputs, selected: null, maps: null, ...patch });
}

// Whether both have the same layers, so that each output of one has its place in the other.
export function isSameStructure([one, other]) {
  const form = ({ layers }) => JSON.stringify(layers.map((layer) => ({
    ...layer, name: null, arrays: Object.entries(layer.arrays).map(([name, { shape }]) => [name, shape]) })));
  return form(one) === form(other);
}

export function minus(b, a) {
  return b.map((value, i) => value - a[i]);
}

// The size of b - a as a share of the size of a; null where a is zero.
export function relativeDifference(a, b) {
  const size = Math.hypot(...parts(a));
  return size === 0 ? null : Math.hypot(...parts(minus(b, a))) / size;
}

// `Math.hypot` takes few arguments: the sizes of slices have the size of the whole.
function parts(data) {
  const found = [];
  for (let i = 0; i < data.length; i += 1000) found.push(Math.hypot(...data.subarray(i, i + 1000)));
  return found;
}
