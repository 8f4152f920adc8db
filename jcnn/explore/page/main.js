// The page's beginning: unpack, compute, show, and listen. The only file that does things at import.

import { forgetAddress, keepAddress } from "./address.js";
import { check, showBadge, showSummary } from "./badge.js";
import { showActivation } from "./activation_view.js";
import { showConv } from "./conv_view.js";
import { showDense } from "./dense_view.js";
import { numeral, written } from "./digits.js";
import { make } from "./dom.js";
import { showDropout } from "./dropout_view.js";
import { showField } from "./field_view.js";
import { showFlatten } from "./flatten_view.js";
import { showIm2col } from "./im2col_view.js";
import { showNorm } from "./norm_view.js";
import { makeOverview, unitName } from "./overview.js";
import { unpack } from "./numbers.js";
import { showOcclusion } from "./occlusion_view.js";
import { outputsOf, showPictures } from "./pictures.js";
import { showPlayground } from "./playground.js";
import { showPool } from "./pool_view.js";
import { showSoftmax } from "./softmax_view.js";
import { change, listen, readHash, state } from "./state.js";
import { showTools } from "./tools.js";
import { fillIn, words } from "./words.js";

// The views of a selected unit by the kind of its layer: the key of the tab's word, the function.
const VIEWS = {
  conv: [["window", showConv], ["im2col", showIm2col]],
  max_pool: [["how", showPool]],
  average_pool: [["how", showPool]],
  activation: [["how", showActivation]],
  flatten: [["how", showFlatten]],
  dense: [["how", showDense]],
  dropout: [["how", showDropout]],
  batch_norm: [["how", showNorm]],
  softmax: [["how", showSoftmax]],
};

// Whole views beside the network's: the name (of its word and its section), the function, and what
// it depends on besides the words.
const PAGES = [
  ["occlusion", showOcclusion, ["outputs", "scheme"]],
  ["playground", showPlayground, []],
];

const part = (id) => document.getElementById(id);

async function start() {
  const network = await unpack(document);
  const language = navigator.language.startsWith("ja") ? "ja" : "en";
  Object.assign(state, { network, language, announce: (text) => (part("announce").textContent = text) });
  Object.assign(state, readHash(location.hash, network));
  state.outputs = outputsOf(network, state.picture);
  const overview = makeOverview(part("overview"), part("readout"));
  const detail = makeDetail(part("detail"), overview);
  const draw = (changed) => show(changed, overview, detail);
  listen(draw);
  draw(new Set(Object.keys(state)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(new Set(["scheme"])));
  addEventListener("hashchange", () => {
    forgetAddress();
    const patch = readHash(location.hash, network);
    if ((patch.picture ?? state.picture) !== state.picture) patch.outputs = outputsOf(network, patch.picture);
    change({ selected: null, ...patch });
  });
  document.body.dataset.ready = "true";
}

// What the panel of a selected unit alone shows.
const OF_PANEL = ["selected", "termOrder", "termPage", "dropoutTraining", "dropoutSeed"];

function show(changed, overview, detail) {
  // The window of a convolution moves often: then only the marks and the panel do. And what moves
  // in the playground has moved there already.
  const only = (names) => [...changed].every((name) => names.includes(name));
  if (only(OF_PANEL)) overview.mark();
  else if (!only(["playground"])) showAll(changed, overview);
  if (!only(["playground"])) detail(changed);
  keepAddress();
}

function showAll(changed, overview) {
  const { network, language } = state;
  const w = words(language);
  document.documentElement.lang = language;
  showPages(part("pages"), w, changed);
  part("hint").textContent = w.hint;
  showControls(part("controls"), w);
  showPictures(part("pictures"));
  showTools(part("tools"));
  showPrediction(part("prediction"), w);
  part("left-out").hidden = network.left_out.length === 0;
  part("left-out").textContent = leftOut(network.left_out, w);
  overview.draw();
  if (["outputs", "language", "exact", "edited"].some((name) => changed.has(name))) later(showChecks);
}

function leftOut(parts, w) {
  const list = (names) => names.join(", ");
  return parts.map(({ layers, pictures }) =>
    fillIn(w.left_out, { layers: list(layers), pictures: list(pictures) })).join(" ");
}

// After the numbers are on the screen: the check takes as long as the forward pass.
let waiting = false;
function later(task) {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => setTimeout(() => {
    waiting = false;
    task();
  }));
}

function showChecks() {
  const results = check(state);
  showSummary(part("badge"), results, state);
  results.forEach((result, i) => {
    showBadge(document.querySelector(`.column[data-layer="${i}"] .badge`), result, state);
  });
}

function showControls(box, w) {
  const focused = document.activeElement?.dataset?.control;
  const choice = (name, label, options) => make("label", {}, make("span", {}, label),
    make("select", { "data-control": name, onchange: (event) => change({ [name]: event.target.value }) },
      options.map(([value, text]) => make("option", { value, selected: state[name] === value }, text))));
  box.replaceChildren(
    choice("scale", w.colours, [["unit", w.per_unit], ["layer", w.per_layer], ["global", w.global]]),
    make("label", { class: "check" }, make("input", {
      type: "checkbox", "data-control": "exact", checked: state.exact,
      onchange: (event) => change({ exact: event.target.checked }),
    }), make("span", {}, w.exact)),
    choice("language", w.language, [["en", "English"], ["ja", "日本語"]]),
  );
  if (focused) box.querySelector(`[data-control="${focused}"]`)?.focus();
}

function showPages(nav, w, changed) {
  nav.hidden = PAGES.length === 0;
  const names = ["network", ...PAGES.map(([name]) => name)];
  const view = names.includes(state.view) ? state.view : "network";
  if (!nav.firstChild) {
    nav.append(...names.map((name) => make("button", { type: "button", onclick: () => change({ view: name }) })));
  }
  names.forEach((name, i) => {
    nav.children[i].textContent = w[name];
    nav.children[i].setAttribute("aria-pressed", String(name === view));
  });
  part("network-view").hidden = view !== "network";
  for (const id of ["pictures", "tools"]) part(id).hidden = view === "playground";
  for (const [name, showPage, more] of PAGES) {
    part(name).hidden = name !== view;
    // It is built anew, which takes the focus from who types in it.
    const anew = ["view", "language", "exact", ...more].some((key) => changed.has(key));
    if (name === view && anew) showPage(part(name), state);
  }
}

function showPrediction(box, w) {
  const { network, outputs } = state;
  const last = outputs.at(-1);
  const best = last.indexOf(Math.max(...last));
  if (network.layers.at(-1).kind !== "softmax" || best < 0) return;
  box.replaceChildren(`${w.predicted}: `, make("b", {}, network.classes[best] ?? best), ` (${w.probability} `,
    numeral(last[best], state.exact), ")");
}

// The panel below the overview: the selected unit's computation.
function makeDetail(panel, overview) {
  let last = null; // what the panel's view was built for
  const heading = make("h2", { tabindex: -1 });
  const value = make("p", { class: "value" });
  const close = make("button", { type: "button", class: "close", onclick: () => leave() });
  const tabs = make("div", { class: "tabs", role: "group" });
  const view = make("section", { class: "view" });
  panel.append(make("header", {}, heading, value, close), tabs, view);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
  });

  function leave() {
    overview.focus();
    change({ selected: null });
  }

  return function drawDetail(changed) {
    const { selected, network, outputs, language } = state;
    const w = words(language);
    panel.hidden = selected === null;
    if (selected === null) {
      last = null;
      view.replaceChildren();
      return;
    }
    const layer = network.layers[selected.layer];
    const views = [...(VIEWS[layer.kind] ?? []), ["field", showField]];
    const tab = Math.max(0, views.findIndex(([key]) => key === state.tab));
    heading.textContent = unitName(selected.layer + 1, selected.unit);
    value.replaceChildren(numeral(outputs[selected.layer + 1][selected.unit], state.exact));
    close.textContent = w.close;
    tabs.hidden = views.length < 2;
    const names = views.map(([key]) => w[key]);
    // The same buttons stay while the window walks: one of them may have the focus.
    if (names.join() !== [...tabs.children].map((button) => button.textContent).join()) {
      tabs.replaceChildren(...views.map(([key], i) =>
        make("button", { type: "button", onclick: () => change({ tab: key }) }, names[i])));
    }
    [...tabs.children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === tab)));
    const built = `${selected.layer}/${tab}`;
    if (built !== last) view.replaceChildren();
    if (views.length > 0) views[tab][1](view, state);
    const opened = last === null || !built.startsWith(`${last.split("/")[0]}/`);
    last = built;
    if (changed.has("selected") && opened) {
      if (document.activeElement?.matches(".cells:focus-visible")) heading.focus({ preventScroll: true });
      panel.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
      state.announce(`${heading.textContent}: ${written(outputs[selected.layer + 1][selected.unit], state.exact)}`);
    }
  };
}

function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

start();
