// The state of the page as one plain object, and its address (#picture=2&layer=0...).

import { playFrom, playWords } from "./playground_address.js";

export const state = {
  network: null, // as in the page; that of the model that is shown where there are two
  model: 0, // which of the two
  picture: 0, // index of an embedded picture; null: drawn or uploaded
  own: null, // {pixels, name, from}: drawn or read from file `name`, in place of picture `from`
  outputs: [], // [0] is the input, [i + 1] the output of layer i; Float64Arrays
  pass: null, // a long pass under way, as in passes.js; null: none
  edited: false, // whether a parameter was changed
  epoch: null, // of which the parameters are, in a page with several; null in others
  selected: null, // {layer, unit}
  view: "network", // or "playground", "occlusion", "compare", "train"
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
  tour: null, // number of the stop of the tour, from 1; null: no tour
  lecture: false, // whether the page is shown in lecture mode
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
export function hashOf({ network, model, picture, epoch, selected, tab, view, method, target, maps, playground, language, split, scale, exact, tour, lecture }) {
  const words = new URLSearchParams();
  if (picture !== null) words.set("picture", picture);
  if (network?.models) words.set("model", "ab"[model]);
  if (epoch !== null) words.set("epoch", epoch);
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
  if (tour !== null) words.set("tour", tour);
  if (lecture) words.set("lecture", 1);
  return `#${words}`;
}

// Parse an address into a patch; layers and units that do not exist are ignored.
export function readHash(hash, shown) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const patch = {};
  const model = shown.models ? "ab".indexOf(words.get("model") || "-") : -1;
  if (model >= 0) patch.model = model;
  const network = model >= 0 ? shown.models[model] : shown;
  const number = (name, size) => {
    const text = words.get(name);
    return text !== null && /^\d+$/.test(text) && Number(text) < size ? Number(text) : null;
  };
  const choice = (name, key, choices) => {
    if (choices.includes(words.get(name))) patch[key] = words.get(name);
  };
  const picture = number("picture", network.pictures.length);
  if (picture !== null) patch.picture = picture;
  const epoch = number("epoch", Infinity);
  if (network.epochs?.numbers.includes(epoch)) patch.epoch = epoch;
  const layer = number("layer", network.layers.length);
  if (layer !== null) {
    const unit = number("unit", network.layers[layer].out.reduce((a, b) => a * b, 1));
    if (unit !== null) patch.selected = { layer, unit };
  }
  if (words.has("tab")) patch.tab = words.get("tab");
  choice("view", "view", ["network", "playground", "occlusion", "compare", ...(network.learn ? ["train"] : [])]);
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
  const stop = number("tour", 100);
  if (stop !== null) patch.tour = Math.max(1, stop);
  if (words.has("lecture")) patch.lecture = words.get("lecture") === "1";
  return patch;
}
