// A convolution opened: its input channels, largest first, each with patch, kernel, products, their sum
// and an intermediate map; where they come together; and the sum of one position as an equation.

import { fillRest, fillSum, largestFirst, othersName } from "./channel_sums.js";
import { isDark, rangeOf } from "./colour.js";
import { drawCard, fillCard, heightOfGrids, makeCard, markSpot, windowPath } from "./conv_card.js";
import { editBias, editKernel } from "./conv_edit.js";
import { makeFlow } from "./conv_flow.js";
import { followPointer, makeWalk, pauseWalk, playWalk } from "./conv_walk.js";
import { numeral } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { firstInput, intermediateMaps } from "./intermediate.js";
import { placeOf } from "./shapes.js";
import { termsOf } from "./terms.js";
import { words } from "./words.js";

// In pixels, by the width of the panel: the side of a channel's map, the height of a number, and the
// height of what is above and below the channels.
const CONV_SIZES = { small: { side: 46, row: 18 }, medium: { side: 58, row: 21 }, large: { side: 76, row: 25 } };
const CONV_LARGE = 900;
const CONV_SMALL = 780;
const CONV_AROUND = 240;
const CAPTION = 24;
const MOST_ROWS = 8;

const shownConvs = new WeakMap(); // panel -> its elements, to move the window without rebuilding

// Show the selected unit of a convolution in `panel`.
export function showConv(panel, state) {
  const { selected, network, outputs, picture, own, language, exact } = state;
  const layer = network.layers[selected.layer];
  const place = placeOf(layer.out, selected.unit);
  const size = sizeIn(panel, layer, state);
  const key = [selected.layer, place.channel, picture, language, exact, size.rows, size.name, isDark()].join();
  let conv = shownConvs.get(panel);
  const same = conv && panel.firstChild && conv.key === key && conv.own === own;
  let focused = null;
  if (!same) {
    const walking = conv?.timer && panel.firstChild && conv.layer === layer;
    focused = panel.contains(document.activeElement) && document.activeElement.dataset.part;
    if (conv) pauseWalk(conv);
    conv = buildConv(layer, place.channel, state, size);
    Object.assign(conv, { key, own, panel });
    shownConvs.set(panel, conv);
    panel.replaceChildren(conv.element);
    if (walking) playWalk(conv);
  }
  if (conv.output !== outputs[selected.layer + 1]) renewConv(conv);
  moveWindow(conv, selected.unit);
  if (focused) panel.querySelector(`[data-part="${focused}"]`)?.focus();
}

// The side of a map, and how many channels fit below each other.
function sizeIn(panel, layer, state) {
  const { clientHeight: height = 0, clientWidth: width = 0 } = panel.closest("#detail") ?? {};
  const name = width > CONV_LARGE && !state.lecture ? "large" : width < CONV_SMALL ? "small" : "medium";
  const { side, row } = CONV_SIZES[name];
  const high = Math.max(side, heightOfGrids(layer, row)) + CAPTION;
  return { name, side, rows: Math.max(height > 0 ? 1 : 2, Math.min(MOST_ROWS, Math.floor((height - CONV_AROUND) / high))) };
}

function buildConv(layer, filter, state, { name, side, rows }) {
  const { selected, language, outputs } = state;
  const w = words(language);
  const conv = { layer, index: selected.layer, filter, state, w, side, rows, timer: null, walk: false, unit: selected.unit, page: 0 };
  conv.count = layer.in[2] / layer.groups;
  conv.order = largestFirst(intermediateMaps(layer, outputs[layer.inputs[0]], filter), conv.count);
  conv.bar = makeWalk(conv);
  conv.flow = makeFlow(conv);
  followPointer(conv.flow.box, conv);
  conv.lines = makeSvg("svg", { class: "flow-lines", "aria-hidden": "true" });
  conv.list = make("div", { class: "cards" });
  conv.others = make("p", { class: "rest-of", hidden: conv.count <= rows });
  conv.equation = make("p", { class: "equation" });
  conv.element = make("div", { class: `conv ${name}` }, conv.bar.element,
    make("div", { class: "conv-body" }, conv.lines, make("div", {}, conv.list, conv.others), conv.flow.element),
    make("div", { class: "conv-sum", "data-edits": "" }, conv.equation,
      make("p", { class: "soft note" }, notes(layer, state.exact, w))));
  makeCards(conv);
  return conv;
}

// The cards of the page's channels, in the order of what they add.
function makeCards(conv) {
  const { layer, filter, index, w, side, rows, page, order, count, state } = conv;
  const first = firstInput(layer, filter);
  conv.shown = order.slice(page * rows, (page + 1) * rows);
  conv.cards = conv.shown.map((k) => makeCard(layer, layer.inputs[0], first + k, side, w));
  conv.kernels = conv.cards.map(({ grids }, i) => editKernel(grids[1], layer, index, conv.shown[i], filter, state.language));
  conv.list.replaceChildren(...conv.cards.map((card) => card.element));
  if (count > rows) conv.othersSum = fillRest(conv.others, count, rows, page, (next) => turnTo(conv, next), w);
}

function turnTo(conv, page) {
  conv.page = page;
  makeCards(conv);
  renewConv(conv);
  moveWindow(conv, conv.unit);
}

// Update what depends on the picture and the parameters, except the numbers at the window.
function renewConv(conv) {
  const { layer, index, filter, state, count } = conv;
  const filters = layer.out[2];
  const [x, output] = [state.outputs[layer.inputs[0]], state.outputs[index + 1]];
  const maps = intermediateMaps(layer, x, filter);
  const ranges = { value: rangeOf(x), weight: rangeOf(layer.arrays.kernel.data, filter, filters), part: rangeOf(maps) };
  Object.assign(conv, { x, output, ranges });
  conv.cards.forEach((card, i) => drawCard(card, layer, x, maps, conv.shown[i], count, ranges));
  for (const marks of conv.kernels) marks();
  conv.flow.draw();
}

function notes(layer, exact, w) {
  const padded = layer.padding.flat().some((n) => n > 0);
  return [w.move_hint, w.edit_note, padded && w.padding_note, layer.groups > 1 && w.group_note, exact ? w.rounded_last : w.rounded].filter(Boolean).join(" ");
}

// Update what depends on the position.
function moveWindow(conv, unit) {
  const { layer, x, w, state, count, cards, shown } = conv;
  conv.unit = unit;
  const { row, column } = placeOf(layer.out, unit);
  const [height, width] = layer.out;
  const { terms, bias } = termsOf(layer, x, unit);
  const ranges = { ...conv.ranges, product: Math.max(...terms.map((term) => Math.abs(term.product))) };
  const outline = windowPath(layer, row, column);
  const byChannel = Array.from({ length: count }, () => []);
  terms.forEach((term, i) => byChannel[i % count].push(term));
  const sums = cards.map((card, i) => fillCard(card, byChannel[shown[i]], outline, ranges, state.exact, w));
  const isShown = new Set(shown);
  const others = byChannel.reduce((sum, own, k) => (isShown.has(k) ? sum : own.reduce((s, { product }) => s + product, sum)), 0);
  for (const { part } of cards) markSpot(part, layer.out, row, column, conv.walk);
  const parts = cards.map(({ channel }, i) => ({ name: channel, kind: "channel", value: sums[i] }));
  if (count > sums.length) {
    const name = othersName(count - sums.length, w);
    parts.push({ name, kind: "others", value: others });
    conv.othersSum.replaceChildren(`${name}: `, numeral(others, state.exact));
  }
  if (layer.arrays.bias) parts.push({ name: w.bias, kind: "bias", value: bias });
  fillSum(conv.equation, parts, conv.output[unit], state.exact, w,
    (cell) => editBias(cell, layer, conv.index, conv.filter, state.language));
  conv.flow.move(row, column, bias);
  const starts = cards.map((card, i) => ({ element: card.part.element, sum: sums[i] }));
  if (count > shown.length) starts.push({ element: conv.others, sum: others });
  conv.flow.lines(conv.lines, starts);
  const position = row * width + column;
  conv.bar.position.textContent =
    `${w.position} ${position + 1} ${w.reached} ${height * width} (${w.row} ${row}, ${w.column} ${column})`;
  conv.bar.position.dataset.position = String(position);
}
