// Changed parameters: one number by hand, or all of them; and the reset to the page's own.

import { runFrom } from "./forward.js";
import { outputsOf } from "./pictures.js";
import { change, state } from "./state.js";

const originals = new Map(); // array that was changed -> its numbers as they came with the page

// Set array.data[at] of layer `index` and recompute what depends on it.
export function changeParameter(index, array, at, number) {
  if (!originals.has(array)) originals.set(array, array.data.slice());
  array.data[at] = number;
  const numbers = originals.get(array);
  if (array.data.every((one, i) => Object.is(one, numbers[i]))) originals.delete(array);
  const outputs = [...state.outputs];
  runFrom(state.network.layers, outputs, index);
  change({ outputs, edited: originals.size > 0 });
}

// Set all parameters, those of another epoch or of a training in the page: for each layer
// {name: numbers}. `patch` is changed with them.
export function replaceParameters(layers, patch = {}) {
  for (const [i, { arrays }] of state.network.layers.entries()) {
    for (const [name, array] of Object.entries(arrays)) {
      if (!originals.has(array)) originals.set(array, array.data.slice());
      array.data.set(layers[i][name]);
    }
  }
  const outputs = [state.outputs[0]];
  runFrom(state.network.layers, outputs, 0);
  change({ outputs, edited: true, ...patch });
}

export function isChanged(array, at) {
  const numbers = originals.get(array);
  return numbers !== undefined && !Object.is(array.data[at], numbers[at]);
}

// The numbers of an array as they came with the page.
export function originalNumbers(array) {
  return originals.get(array) ?? array.data;
}

// Restore the page's parameters and the last embedded picture.
export function resetAll() {
  for (const [array, numbers] of originals) array.data.set(numbers);
  originals.clear();
  const picture = state.picture ?? state.own.from;
  change({ picture, own: null, edited: false, outputs: outputsOf(state.network, picture) });
}
