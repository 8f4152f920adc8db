// The state of the page as one plain object, and its address (#picture=2&layer=0...).

import { playFrom, playWords } from "./playground_address.js";

export const state = {
  network: null, // as in the page
  picture: 0, // index of an embedded picture; null: drawn or uploaded
  own: null, // {pixels, name, from}: drawn or read from file `name`, in place of picture `from`
  outputs: [], // [0] is the input, [i + 1] the output of layer i; Float64Arrays
  edited: false, // whether a parameter was changed
  selected: null, // {layer, unit}
  view: "network", // or "playground", "occlusion", "train"
  method: "occlusion", // of the page of that name; or "gradient", "gradcam", "channels"
  target: null, // the class that it explains; null: the most probable one
  maps: null, // the output whose maps Grad-CAM takes; null: the last convolution's
  train: null, // the training in the page, once opened
  playground: null, // state of the playground, once opened
  tab: null, // view of the selected unit, if it has several
  language: "en", // or "ja"
  split: false, // whether every layer has a column of its own
  scale: "layer", // range of the colours: "unit" (one map), "layer" or "global"
  exact: false, // show all digits
  announce: () => {}, // announces a text to screen readers
};

const listeners = [];

// Call `listener(changed)` after every change; `changed` is the set of changed names.
export function listen(listener) {
  listeners.push(listener);
}

// Change the state and notify the listeners.
export function change(patch) {
  Object.assign(state, patch);
  const changed = new Set(Object.keys(patch));
  for (const listener of listeners) listener(changed);
}

// The address of the state.
export function hashOf({ picture, selected, tab, view, method, target, maps, playground, language, split, scale, exact }) {
  const words = new URLSearchParams();
  if (picture !== null) words.set("picture", picture);
  if (selected) {
    words.set("layer", selected.layer);
    words.set("unit", selected.unit);
    if (tab) words.set("tab", tab);
  }
  words.set("view", view);
  if (view === "occlusion") {
    words.set("method", method);
    if (target !== null) words.set("class", target);
    if (maps !== null) words.set("maps", maps);
  }
  if (view === "playground" && playground) for (const [name, value] of playWords(playground)) words.set(name, value);
  words.set("lang", language);
  if (split) words.set("layers", "all");
  words.set("scale", scale);
  if (exact) words.set("exact", 1);
  return `#${words}`;
}

// Parse an address into a patch; layers and units that do not exist are ignored.
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
  choice("view", "view", ["network", "playground", "occlusion", ...(network.learn ? ["train"] : [])]);
  choice("method", "method", ["occlusion", "gradient", "gradcam", "channels"]);
  const target = number("class", network.classes.length);
  if (target !== null) patch.target = target;
  const maps = number("maps", network.layers.length);
  if (maps !== null) patch.maps = maps;
  const playground = patch.view === "playground" ? playFrom(words) : null;
  if (playground) patch.playground = playground;
  choice("lang", "language", ["en", "ja"]);
  if (words.has("layers")) patch.split = words.get("layers") === "all";
  choice("scale", "scale", ["unit", "layer", "global"]);
  if (words.has("exact")) patch.exact = words.get("exact") === "1";
  return patch;
}
