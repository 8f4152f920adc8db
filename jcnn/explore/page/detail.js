// The panel below the overview: views of how the selected unit is computed.

import { showActivation } from "./activation_view.js";
import { showConv } from "./conv_view.js";
import { showDense } from "./dense_view.js";
import { numeral, written } from "./digits.js";
import { make } from "./dom.js";
import { showDropout } from "./dropout_view.js";
import { showExampleNorm } from "./example_norm_view.js";
import { showField } from "./field_view.js";
import { showFlatten } from "./flatten_view.js";
import { showIm2col } from "./im2col_view.js";
import { showJoin } from "./join_view.js";
import { showNorm } from "./norm_view.js";
import { unitName } from "./overview.js";
import { showPool } from "./pool_view.js";
import { showRearranging } from "./rearranging_view.js";
import { showSoftmax } from "./softmax_view.js";
import { change, state } from "./state.js";
import { hasTopPictures, showTopPictures } from "./top_pictures_view.js";
import { showTransposed } from "./transposed_view.js";
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
    const focused = panel.contains(document.activeElement);
    const views = [...(VIEWS[layer.kind] ?? []), ["field", showField],
      ...(hasTopPictures(network, selected.layer) ? [["top", showTopPictures]] : [])];
    const tab = Math.max(0, views.findIndex(([key]) => key === state.tab));
    heading.textContent = unitName(selected.layer + 1, selected.unit);
    value.replaceChildren(numeral(outputs[selected.layer + 1][selected.unit], state.exact));
    close.textContent = w.close;
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
      panel.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
      state.announce(`${heading.textContent}: ${written(outputs[selected.layer + 1][selected.unit], state.exact)}`);
    }
  };
}

function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
