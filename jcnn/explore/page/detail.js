// The panel of the selected unit, opened within the overview: views of how it is computed.

import { showActivation } from "./activation_view.js";
import { showConv } from "./conv_view.js";
import { showDenseMaps } from "./dense_maps_view.js";
import { flattenedMaps, showDense } from "./dense_view.js";
import { numeral, written } from "./digits.js";
import { make } from "./dom.js";
import { showDropout } from "./dropout_view.js";
import { showExampleNorm } from "./example_norm_view.js";
import { showField } from "./field_view.js";
import { showFlatten } from "./flatten_view.js";
import { showIm2col } from "./im2col_view.js";
import { showJoin } from "./join_view.js";
import { showNorm } from "./norm_view.js";
import { showPool } from "./pool_view.js";
import { showRearranging } from "./rearranging_view.js";
import { showSoftmax } from "./softmax_view.js";
import { change, state } from "./state.js";
import { hasTopPictures, showTopPictures } from "./top_pictures_view.js";
import { showTransposed } from "./transposed_view.js";
import { unitName } from "./unit_words.js";
import { words } from "./words.js";

// For each kind of layer, [key of the tab's word, function]. The receptive field is added to all.
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
  add: [["how", showJoin]],
  multiply: [["how", showJoin]],
  divide: [["how", showJoin]],
  concatenate: [["how", showJoin]],
  zero_pad: [["how", showRearranging]],
  crop: [["how", showRearranging]],
  upsample: [["how", showRearranging]],
  layer_norm: [["how", showExampleNorm]],
  group_norm: [["how", showExampleNorm]],
  conv_transpose: [["how", showTransposed]],
  reshape: [["how", showFlatten]],
  spatial_dropout: [["how", showDropout]],
  stochastic_depth: [["how", showDropout]],
};

// Fill an empty panel. Returns `draw(changed)`, which updates it from the state.
export function makeDetail(panel, overview) {
  let last = null; // what the current view was built for
  const heading = make("h2", { tabindex: -1 });
  const value = make("p", { class: "value" });
  const close = make("button", { type: "button", class: "close", onclick: () => leave() });
  const beside = make("div", { class: "beside", role: "group" });
  const tabs = make("div", { class: "tabs", role: "group" });
  const view = make("section", { class: "view" });
  panel.append(make("header", {}, heading, value, beside, tabs, close), view);
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
    const focused = panel.contains(document.activeElement);
    const maps = layer.kind === "dense" && flattenedMaps(network.layers, layer.inputs[0]) !== null;
    const views = [...(maps ? [["maps", showDenseMaps]] : []), ...(VIEWS[layer.kind] ?? []), ["field", showField],
      ...(hasTopPictures(network, selected.layer) ? [["top", showTopPictures]] : [])];
    const tab = Math.max(0, views.findIndex(([key]) => key === state.tab));
    heading.textContent = unitName(selected.layer + 1, selected.unit);
    value.replaceChildren(numeral(outputs[selected.layer + 1][selected.unit], state.exact));
    close.textContent = "×";
    close.setAttribute("aria-label", w.close);
    showBeside(w);
    tabs.setAttribute("aria-label", w.views);
    const names = views.map(([key]) => w[key]);
    // Keep the buttons while the window moves, because one of them may have the focus.
    if (names.join() !== [...tabs.children].map((button) => button.textContent).join()) {
      tabs.replaceChildren(...views.map(([key], i) =>
        make("button", { type: "button", onclick: () => change({ tab: key }) }, names[i])));
    }
    [...tabs.children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === tab)));
    const built = `${selected.layer}/${tab}`;
    if (built !== last) view.replaceChildren();
    views[tab][1](view, state);
    const opened = last === null || !built.startsWith(`${last.split("/")[0]}/`);
    last = built;
    // A button that opened a source is gone now.
    if (focused && !panel.contains(document.activeElement)) heading.focus({ preventScroll: true });
    if (changed.has("selected") && opened) {
      if (document.activeElement?.matches(".cells:focus-visible")) heading.focus({ preventScroll: true });
      panel.scrollTop = 0;
      state.announce(`${heading.textContent}: ${written(outputs[selected.layer + 1][selected.unit], state.exact)}`);
    }
  };

  // Buttons for the layers that share the column, such as a convolution and its activation.
  function showBeside(w) {
    const { selected, network } = state;
    const layers = overview.layersBeside();
    beside.hidden = layers.length < 2;
    beside.setAttribute("aria-label", w.layers_here);
    const names = layers.map((i) => chipName(network.layers[i], w));
    if (names.join() !== [...beside.children].map((one) => one.textContent).join()) {
      beside.replaceChildren(...layers.map((i, k) => make("button", { type: "button", "data-layer": i, onclick: () => {
        change({ selected: { layer: i, unit: state.selected.unit } });
      } }, names[k])));
    }
    layers.forEach((i, k) => beside.children[k].setAttribute("aria-pressed", String(i === selected.layer)));
  }
}

function chipName(layer, w) {
  return layer.kind === "activation" ? layer.function : w[layer.kind];
}
