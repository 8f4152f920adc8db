// What the page shows, as one plain object, and its place in the address (#picture=2&layer=0...).

import { playFrom, playWords } from "./playground_address.js";

export const state = {
  network: null, // as the page carries it
  picture: 0, // index of an embedded picture; null: drawn or uploaded
  own: null, // {pixels, name, from}: drawn, or read from the file `name`, instead of picture `from`
  outputs: [], // [0] the input, [i + 1] of layer i; Float64Array each
  edited: false, // true where a parameter is no longer the model's own
  selected: null, // {layer, unit}
  view: "network", // or "playground", "occlusion"
  playground: null, // what the playground shows, once it was opened
  tab: null, // which of the selected unit's views, where it has several
  language: "en", // or "ja"
  scale: "layer", // range of the colours: "unit" (one map), "layer" or "global"
  exact: false, // all digits
  announce: () => {}, // says a text to screen readers
};

const listeners = [];

// Call `listener(changed)` after every change; `changed` is the set of changed names.
export function listen(listener) {
  listeners.push(listener);
}

// Change the state and tell everybody.
export function change(patch) {
  Object.assign(state, patch);
  const changed = new Set(Object.keys(patch));
  for (const listener of listeners) listener(changed);
}

// The address of what is shown.
export function hashOf({ picture, selected, tab, view, playground, language, scale, exact }) {
  const words = new URLSearchParams();
  if (picture !== null) words.set("picture", picture);
  if (selected) {
    words.set("layer", selected.layer);
    words.set("unit", selected.unit);
    if (tab) words.set("tab", tab);
  }
  words.set("view", view);
  if (view === "playground" && playground) for (const [name, value] of playWords(playground)) words.set(name, value);
  words.set("lang", language);
  words.set("scale", scale);
  if (exact) words.set("exact", 1);
  return `#${words}`;
}

// What an address asks for, as a patch; what the network does not have is left out.
export function readHash(hash, network) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const patch = {};
  const number = (name, size) => {
    const text = words.get(name);
    return text !== null && /^\d+$/.test(text) && Number(text) < size ? Number(text) : null;
  };
  const choice = (name, key, choices) => {
    if (choices.includes(words.get(name))) patch[key] = words.get(name);
  };
  const picture = number("picture", network.pictures.length);
  if (picture !== null) patch.picture = picture;
  const layer = number("layer", network.layers.length);
  if (layer !== null) {
    const unit = number("unit", network.layers[layer].out.reduce((a, b) => a * b, 1));
    if (unit !== null) patch.selected = { layer, unit };
  }
  if (words.has("tab")) patch.tab = words.get("tab");
  choice("view", "view", ["network", "playground", "occlusion"]);
  const playground = patch.view === "playground" ? playFrom(words) : null;
  if (playground) patch.playground = playground;
  choice("lang", "language", ["en", "ja"]);
  choice("scale", "scale", ["unit", "layer", "global"]);
  if (words.has("exact")) patch.exact = words.get("exact") === "1";
  return patch;
}
