// A dense unit that reads flattened maps: each channel's map times the map of its weights, the products
// and their sum, largest first.

import { fillRest, fillSum, largestFirst, othersName } from "./channel_sums.js";
import { drawMap, rangeOf } from "./colour.js";
import { makeSpotMap, markSpot } from "./conv_card.js";
import { drawLines } from "./conv_flow.js";
import { flattenedMaps } from "./dense_view.js";
import { equalsSign, numeral } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { makeEditable } from "./edit_cell.js";
import { EQUALS, bracketed, equation } from "./equation.js";
import { unitAt } from "./shapes.js";
import { change } from "./state.js";
import { termsOf } from "./terms.js";
import { fillPanel, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { words } from "./words.js";

const DENSE_SIDE = 62; // of a map in pixels
const LONE_SIDE = 150; // where it is the only one
const DENSE_ROW = 86; // height of a channel
const DENSE_AROUND = 170; // height of what is above and below the channels

export function showDenseMaps(panel, state) {
  const { layer, index, unit, x } = viewed(state);
  const { language, exact, network } = state;
  const [w, text] = [words(language), viewWords[language]];
  const { output, shape } = flattenedMaps(network.layers, layer.inputs[0]);
  const channels = shape[2];
  const { terms, bias, result } = termsOf(layer, x, unit);
  const products = Float64Array.from(terms, ({ product }) => product);
  const weights = Float64Array.from(terms, ({ weight }) => weight);
  const sums = new Float64Array(channels);
  products.forEach((product, i) => { sums[i % channels] += product; });
  const order = largestFirst(sums, channels);
  const rows = Math.max(2, Math.floor(((panel.closest("#detail")?.clientHeight ?? 0) - DENSE_AROUND) / DENSE_ROW));
  const page = Math.min(state.termPage ?? 0, Math.ceil(channels / rows) - 1);
  const shown = order.slice(page * rows, (page + 1) * rows);
  const others = channels - shown.length;
  const othersSum = sums.reduce((sum, one, k) => (shown.includes(k) ? sum : sum + one), 0);

  const at = make("p", { class: "dense-at soft" }, text.denseMapsHint);
  const kinds = [x, weights, products].map((data) => [data, rangeOf(data)]);
  const cards = shown.map((channel) => {
    const maps = kinds.map(([data, range]) => {
      const map = makeSpotMap(shape, channels === 1 ? LONE_SIDE : DENSE_SIDE);
      drawMap(map.canvas, data, channel, channels, shape[0], shape[1], range);
      return map;
    });
    maps[0].element.dataset.source = `${output}-${channel}`;
    const own = terms.filter((_, i) => i % channels === channel).map(({ product }) => product);
    const point = (event) => {
      const area = event.target.closest(".output")?.getBoundingClientRect();
      if (!area) return;
      const row = Math.min(shape[0] - 1, Math.floor(((event.clientY - area.y) / area.height) * shape[0]));
      const column = Math.min(shape[1] - 1, Math.floor(((event.clientX - area.x) / area.width) * shape[1]));
      const { value, weight, product } = terms[unitAt(shape, row, column, channel)];
      for (const map of maps) markSpot(map, shape, row, column, false);
      at.replaceChildren(`${w.channel} ${channel}, ${w.row} ${row}, ${w.column} ${column}: `,
        equation(state, [...bracketed(value), " × ", ...bracketed(weight), EQUALS, product]));
    };
    const figure = (map, caption) => make("figure", {}, map.element, make("figcaption", {}, caption));
    const sign = (sign) => make("span", { class: "sign" }, sign);
    const element = make("article", { class: "card", "data-channel": channel, onpointermove: point },
      figure(maps[0], `${w.channel} ${channel}`), sign("×"), figure(maps[1], text.termsWeight), sign("="),
      make("figure", { class: "adds" }, maps[2].element, make("figcaption", {},
        sign(equalsSign(own, sums[channel], exact)), " ", setSum(sums[channel], exact))));
    return { element, end: maps[2].element, sum: sums[channel] };
  });

  const lines = makeSvg("svg", { class: "flow-lines", "aria-hidden": "true" });
  const rest = make("p", { class: "rest-of", hidden: others === 0 });
  const node = make("div", { class: "node", "aria-hidden": "true" }, "+");
  const isClass = layer.out[0] === network.classes.length;
  const value = make("div", { class: "flow-value" }, make("b", {}, isClass ? network.classes[unit] : `${w.unit} ${unit}`), numeral(result, exact));
  const sum = make("p", { class: "equation" });
  fillPanel(panel, make("div", { class: "conv dense-maps" },
    at,
    make("div", { class: "conv-body" }, lines, make("div", {}, make("div", { class: "cards" }, cards.map(({ element }) => element)), rest),
      make("div", { class: "flow" }, make("div", { class: "flow-sum" }, node), value)),
    make("div", { class: "conv-sum", "data-edits": "" }, sum)));
  if (others > 0) {
    fillRest(rest, channels, rows, page, (next) => change({ termPage: next }), w)
      .replaceChildren(`${othersName(others, w)}: `, numeral(othersSum, exact));
  }
  const parts = shown.map((channel) => ({ name: channel, kind: "channel", value: sums[channel] }));
  if (others > 0) parts.push({ name: othersName(others, w), kind: "others", value: othersSum });
  if (layer.arrays.bias) parts.push({ name: w.bias, kind: "bias", value: bias });
  fillSum(sum, parts, result, exact, w, (cell) => {
    cell.dataset.part = "bias";
    makeEditable(cell, index, layer.arrays.bias, unit, `b(${unit})`);
  });
  const starts = cards.map(({ end, sum: added }) => ({ element: end, sum: added }));
  if (others > 0) starts.push({ element: rest, sum: othersSum });
  drawLines(lines, starts, node, value);
}

function setSum(value, exact) {
  const sum = numeral(value, exact);
  sum.classList.add("sum");
  return sum;
}
