// The class that is explained: the most probable one, or a chosen one.

import { keepAddress } from "./address.js";
import { selectField } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

export function classOf({ target, outputs }) {
  return target ?? indexOfLargest(outputs.at(-1));
}

export function indexOfLargest(values) {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

export function className({ network }, index) {
  return network.classes[index] ?? String(index);
}

// A choice of the class; `then` is called after it.
export function classField(state, then) {
  const text = viewWords[state.language];
  const best = className(state, indexOfLargest(state.outputs.at(-1)));
  const options = [["", fillIn(text.occMost, { name: best })],
    ...state.network.classes.map((name, i) => [String(i), name])];
  return selectField(text.occClass, "target", options, state.target === null ? "" : String(state.target), (value) => {
    state.target = value === "" ? null : Number(value);
    keepAddress();
    then();
  });
}
