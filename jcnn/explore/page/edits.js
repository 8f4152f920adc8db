// Changed parameters: one number by hand, or all of them; and the reset to the page's own.

import { lastEpoch, setWeights } from "./epochs.js";
import { runFrom } from "./forward.js";
import { eachArray, setNumber, setNumbers } from "./parameters.js";
import { changeOutputs, inputWanted, wanted } from "./passes.js";
import { choosePicture } from "./pictures.js";
import { state } from "./state.js";

const originals = new Map(); // array that was changed -> its numbers as they came with the page

// Set array.data[at] of layer `index` and recompute what depends on it.
export function changeParameter(index, array, at, number) {
  if (!originals.has(array)) originals.set(array, array.data.slice());
  setNumber(array, at, number);
  const numbers = originals.get(array);
  if (array.data.every((one, i) => Object.is(one, numbers[i]))) originals.delete(array);
  changeOutputs({ edited: originals.size > 0 }, { edited: [index] });
}

// Set all parameters, those of another epoch or of a training in the page: for each layer
// {name: numbers}. `patch` is changed with them.
export function replaceParameters(layers, patch = {}) {
  for (const [i, name, array] of eachArray(state.network.layers)) {
    if (!originals.has(array)) originals.set(array, array.data.slice());
    setNumbers(array, layers[i][name]);
  }
  changeOutputs({ edited: true, ...patch }, { input: inputWanted() });
}

// Set all parameters to those of an epoch of the page. Changes by hand are forgotten; the next ones are
// changes of this epoch.
export function takeEpoch(epoch) {
  originals.clear();
  setWeights(state.network, epoch);
  changeOutputs({ edited: false, epoch }, { input: inputWanted() });
}

export function isChanged(array, at) {
  const numbers = originals.get(array);
  return numbers !== undefined && !Object.is(array.data[at], numbers[at]);
}

// The numbers of an array as they came with the page.
export function originalNumbers(array) {
  return originals.get(array) ?? array.data;
}

// Restore the page's parameters, those of the last epoch where it has several, and the last embedded
// picture.
export function resetAll() {
  restore();
  const epoch = lastEpoch(state.network);
  if (epoch !== null) setWeights(state.network, epoch);
  const { picture, own } = wanted();
  choosePicture(picture ?? own.from, {}, { own: null, edited: false, epoch });
}

// Restore the page's parameters; returns the outputs for the picture that is shown.
export function restoredOutputs() {
  restore();
  const outputs = [state.outputs[0]];
  runFrom(state.network.layers, outputs, 0);
  return outputs;
}

function restore() {
  for (const [array, numbers] of originals) setNumbers(array, numbers);
  originals.clear();
}
