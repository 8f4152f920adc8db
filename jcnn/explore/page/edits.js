// Parameters changed by hand, and the way back to what the page came with.

import { runFrom } from "./forward.js";
import { outputsOf } from "./pictures.js";
import { change, state } from "./state.js";

const originals = new Map(); // array -> Map(place in it -> the number that the model has there)

// Set array.data[at] of layer `index` and compute from that layer on.
export function changeParameter(index, array, at, number) {
  const known = originals.get(array) ?? new Map();
  if (!known.has(at)) known.set(at, array.data[at]);
  array.data[at] = number;
  if (Object.is(array.data[at], known.get(at))) known.delete(at);
  if (known.size > 0) originals.set(array, known);
  else originals.delete(array);
  const outputs = state.outputs.slice(0, index + 1);
  runFrom(state.network.layers, outputs, index);
  change({ outputs, edited: originals.size > 0 });
}

export function isChanged(array, at) {
  return originals.get(array)?.has(at) ?? false;
}

// The model's own parameters, and the embedded picture that was shown last.
export function resetAll() {
  for (const [array, known] of originals) {
    for (const [at, number] of known) array.data[at] = number;
  }
  originals.clear();
  const picture = state.picture ?? state.own.from;
  change({ picture, own: null, edited: false, outputs: outputsOf(state.network, picture) });
}
