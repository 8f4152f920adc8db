// Edited parameters, and the reset to the original ones.

import { runFrom } from "./forward.js";
import { outputsOf } from "./pictures.js";
import { change, state } from "./state.js";

const originals = new Map(); // array -> Map(index -> original number)

// Set array.data[at] of layer `index` and recompute what depends on it.
export function changeParameter(index, array, at, number) {
  const known = originals.get(array) ?? new Map();
  if (!known.has(at)) known.set(at, array.data[at]);
  array.data[at] = number;
  if (Object.is(array.data[at], known.get(at))) known.delete(at);
  if (known.size > 0) originals.set(array, known);
  else originals.delete(array);
  const outputs = [...state.outputs];
  runFrom(state.network.layers, outputs, index);
  change({ outputs, edited: originals.size > 0 });
}

export function isChanged(array, at) {
  return originals.get(array)?.has(at) ?? false;
}

// Restore the original parameters and the last embedded picture.
export function resetAll() {
  for (const [array, known] of originals) {
    for (const [at, number] of known) array.data[at] = number;
  }
  originals.clear();
  const picture = state.picture ?? state.own.from;
  change({ picture, own: null, edited: false, outputs: outputsOf(state.network, picture) });
}
