// A convolution at one position of its window: patch, kernel and sum of every channel, and the bias;
// and an animation of the window over all positions.

import { drawMap, rangeOf } from "./colour.js";
import { drawCardMap, fillCard, makeCard, windowPath } from "./conv_card.js";
import { editBias, editKernel } from "./conv_edit.js";
import { equalsSign, numeral, written } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { isEditing } from "./edit_cell.js";
import { movesAfter } from "./pace.js";
import { placeOf, unitAt } from "./shapes.js";
import { change } from "./state.js";
import { termsOf } from "./terms.js";
import { words } from "./words.js";

const TICK = 60; // milliseconds between two moves, at least

let speed = 1; // of all walks, chosen by the reader

const shownConvs = new WeakMap(); // panel -> its elements, to move the window without rebuilding

// Show the selected unit of a convolution in `panel`.
export function showConv(panel, state) {
  const { selected, network, outputs, language, exact } = state;
  const layer = network.layers[selected.layer];
  const place = placeOf(layer.out, selected.unit);
  const key = [selected.layer, place.channel, language, exact, matchMedia("(prefers-color-scheme: dark)").matches].join();
  let conv = shownConvs.get(panel);
  const same = conv && panel.firstChild && conv.key === key;
  let focused = null;
  if (!same) {
    const walking = conv?.timer && panel.firstChild && conv.layer === layer;
    focused = panel.contains(document.activeElement) && document.activeElement.dataset.part;
    if (conv) pause(conv);
    conv = buildConv(layer, place.channel, state);
    Object.assign(conv, { key, panel });
    shownConvs.set(panel, conv);
    panel.replaceChildren(conv.element);
    if (walking) play(conv);
  }
  if (conv.output !== outputs[selected.layer + 1]) renewConv(conv);
  moveWindow(conv, selected.unit);
  if (focused) panel.querySelector(`[data-part="${focused}"]`)?.focus();
}

function buildConv(layer, filter, state) {
  const { selected, language } = state;
  const w = words(language);
  const [height, width, filters] = layer.out;
  const conv = { layer, index: selected.layer, filter, state, w, timer: null, walk: false, unit: selected.unit };
  const perGroup = layer.in[2] / layer.groups;
  const first = Math.floor(filter / (filters / layer.groups)) * perGroup;
  conv.cards = Array.from({ length: perGroup }, (_, k) => makeCard(layer, first + k, w));
  conv.kernels = conv.cards.map(({ grids }, k) => editKernel(grids[1], layer, conv.index, k, filter, language));
  conv.bar = makeBar(conv);
  conv.map = makeOutputMap(conv, height, width);
  conv.equation = make("p", { class: "equation" });
  conv.element = make("div", { class: "conv" }, conv.bar.element,
    make("div", { class: "conv-top" }, conv.map.element,
      make("div", { class: "conv-sum", "data-edits": "" }, make("h3", {}, w.sums), conv.equation,
        make("p", { class: "soft note" }, notes(layer, state.exact, w)))),
    make("div", { class: "cards" }, conv.cards.map((card) => card.element)));
  return conv;
}

// Update what depends on the picture and the parameters, except the numbers at the window.
function renewConv(conv) {
  const { layer, index, filter, state } = conv;
  const [height, width, filters] = layer.out;
  const [x, output] = [state.outputs[layer.inputs[0]], state.outputs[index + 1]];
  Object.assign(conv, { x, output, ranges: { value: rangeOf(x), weight: rangeOf(layer.arrays.kernel.data, filter, filters) } });
  for (const card of conv.cards) drawCardMap(card, layer, x, conv.ranges.value);
  for (const marks of conv.kernels) marks();
  drawMap(conv.map.canvas, output, filter, filters, height, width, rangeOf(output, filter, filters));
}

function notes(layer, exact, w) {
  const padded = layer.padding.flat().some((n) => n > 0);
  return [w.move_hint, w.edit_note, padded && w.padding_note, layer.groups > 1 && w.group_note, exact ? w.rounded_last : w.rounded].filter(Boolean).join(" ");
}

// Update what depends on the position.
function moveWindow(conv, unit) {
  const { layer, x, w, state } = conv;
  conv.unit = unit;
  const { row, column } = placeOf(layer.out, unit);
  const [height, width] = layer.out;
  const { terms, bias } = termsOf(layer, x, unit);
  const ranges = { ...conv.ranges, product: Math.max(...terms.map((term) => Math.abs(term.product))) };
  const outline = windowPath(layer, row, column);
  const count = conv.cards.length;
  const sums = conv.cards.map((card, k) =>
    fillCard(card, terms.filter((_, i) => i % count === k), outline, ranges, state.exact, w));
  fillEquation(conv, sums, bias, conv.output[unit]);
  conv.map.spot.setAttribute("d", `M${column} ${row}h1v1h-1z`);
  const rest = `M${column + 1} ${row}H${width}v1H${column + 1}zM0 ${row + 1}H${width}V${height}H0z`;
  conv.map.rest.setAttribute("d", conv.walk ? rest : "");
  const position = row * width + column;
  conv.bar.position.textContent =
    `${w.position} ${position + 1} ${w.reached} ${height * width} (${w.row} ${row}, ${w.column} ${column})`;
  conv.bar.position.dataset.position = String(position);
}

function fillEquation(conv, sums, bias, result) {
  const { w, state, cards, layer } = conv;
  const part = (name, kind, value) => make("span", { class: `part ${kind}` }, make("small", {}, name), numeral(value, state.exact));
  const parts = sums.map((sum, k) => part(cards[k].element.dataset.channel, "channel", sum));
  const hasBias = Boolean(layer.arrays.bias);
  if (hasBias) {
    parts.push(part(w.bias, "bias", bias));
    editBias(parts.at(-1).lastChild, layer, conv.index, conv.filter, state.language);
  }
  const sign = equalsSign(hasBias ? [...sums, bias] : sums, result, state.exact);
  const focused = conv.equation.contains(document.activeElement); // on the bias
  const plus = () => make("span", { class: "sign" }, "+");
  conv.equation.replaceChildren(...parts.flatMap((one, i) => (i === 0 ? [one] : [plus(), one])),
    make("span", { class: "sign equals" }, sign), part(w.total, "total", result));
  if (focused) conv.equation.querySelector('[data-part="bias"]').focus();
}

// --- the output map -------------------------------------------------------------------------------

function makeOutputMap(conv, height, width) {
  const { layer, filter, w } = conv;
  const canvas = make("canvas", {});
  const rest = makeSvg("path", { class: "rest" });
  const spot = makeSvg("path", { class: "window" });
  const svg = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, rest, spot);
  const side = 224 / Math.max(height, width);
  const box = make("div", {
    class: "padded output", tabindex: 0, role: "application", "data-part": "map",
    "aria-label": `${w.output_map}. ${w.move_hint}`,
    style: { width: `${width * side}px`, height: `${height * side}px` },
  }, canvas, svg);
  const follow = (event) => {
    const area = box.getBoundingClientRect();
    const row = Math.floor(((event.clientY - area.y) / area.height) * height);
    const c = Math.floor(((event.clientX - area.x) / area.width) * width);
    if (row >= 0 && c >= 0 && row < height && c < width) goTo(conv, row, c, false);
  };
  box.addEventListener("pointermove", (event) => conv.timer === null && follow(event));
  box.addEventListener("click", follow);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { row, column } = placeOf(layer.out, conv.unit);
    const within = (n, size) => Math.max(0, Math.min(size - 1, n));
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [0, 0], End: [height - 1, width - 1],
    }[event.key];
    if (!to && event.key !== " ") return;
    event.preventDefault();
    if (!to) return conv.timer === null ? play(conv) : pause(conv);
    pause(conv);
    goTo(conv, within(to[0], height), within(to[1], width), false);
    say(conv);
  });
  const element = make("figure", {}, box, make("figcaption", {}, `${w.output_map}, ${w.channel} ${filter}`));
  return { element, canvas, rest, spot };
}

// --- the walk -------------------------------------------------------------------------------------

function makeBar(conv) {
  const { w } = conv;
  const button = (name, press) => make("button", { type: "button", "data-part": name, onclick: press }, w[name]);
  const start = button("play", () => (conv.timer === null ? play(conv) : pause(conv)));
  const position = make("span", { class: "position" });
  const element = make("div", { class: "walk" }, start,
    button("back", () => stepBy(conv, -1)), button("step", () => stepBy(conv, 1)),
    button("reset", () => {
      pause(conv);
      goTo(conv, 0, 0, true);
      say(conv);
    }), speedOf(w), position);
  return { element, start, position };
}

function speedOf(w) {
  const slider = make("input", { type: "range", min: -1, max: 2, step: 0.5, value: Math.log2(speed), "data-part": "speed",
    oninput: () => { speed = 2 ** Number(slider.value); } });
  return make("label", { class: "speed" }, w.speed, slider);
}

function stepBy(conv, by) {
  pause(conv);
  if (moveConv(conv, by)) say(conv);
}

function play(conv) {
  if (conv.timer !== null) return;
  const { row, column } = placeOf(conv.layer.out, conv.unit);
  const [height, width] = conv.layer.out;
  if (row === height - 1 && column === width - 1) goTo(conv, 0, 0, true);
  const now = placeOf(conv.layer.out, conv.unit);
  const count = height * width - 1 - now.row * width - now.column;
  let [made, elapsed, last] = [0, 0, performance.now()];
  conv.timer = setInterval(() => {
    const time = performance.now();
    elapsed += (time - last) * speed;
    last = time;
    const moves = movesAfter(elapsed, count) - made;
    made += moves;
    const gone = !conv.element.isConnected || conv.state.selected?.layer !== conv.index;
    if (gone || (moves > 0 && !moveConv(conv, moves)) || made === count) pause(conv);
  }, TICK);
  conv.bar.start.textContent = conv.w.pause;
}

function pause(conv) {
  clearInterval(conv.timer);
  conv.timer = null;
  conv.bar.start.textContent = conv.w.play;
}

// Move to the next position, row by row; false at the end.
function moveConv(conv, by) {
  const { row, column } = placeOf(conv.layer.out, conv.unit);
  const [height, width] = conv.layer.out;
  const next = row * width + column + by;
  if (next < 0 || next >= height * width) return false;
  goTo(conv, Math.floor(next / width), next % width, true);
  return true;
}

// `walk` hides the outputs that the window has not come to. While a number is typed, it stays.
function goTo(conv, row, column, walk) {
  const unit = unitAt(conv.layer.out, row, column, conv.filter);
  if ((unit === conv.unit && walk === conv.walk) || isEditing(conv.element)) return;
  conv.walk = walk;
  change({ selected: { layer: conv.index, unit } });
}

function say(conv) {
  const { row, column } = placeOf(conv.layer.out, conv.unit);
  const { w, state } = conv;
  state.announce(`${w.row} ${row}, ${w.column} ${column}: ${written(conv.output[conv.unit], state.exact)}`);
}
