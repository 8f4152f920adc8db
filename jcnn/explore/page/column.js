// One column of the overview: name, type and shape of a stage, its numbers as colours, a legend.

import { channelsShown } from "./channels.js";
import { cssColour, drawMap, rangeOf } from "./colour.js";
import { setNumeral } from "./digits.js";
import { make } from "./dom.js";
import { drawPicture, isPicture } from "./pictures.js";
import { placeOf, sizeOf, unitAt, upTo } from "./shapes.js";
import { fillIn, typeOf, words } from "./words.js";

const TOP = 5; // classes shown of more than MANY
const MANY = 12;
const ALL = 22; // side of a map in pixels where all channels are shown, many side by side
const LONE = 112; // and where there is only one

// Make the column of a stage, which draws outputs[stage.shown]. `boxes` are its canvases (or one list
// of bars), each a grid of `rows` by `columns` cells, made by `fillColumn`. `channels` are those of
// the boxes of maps, `units` those of the bars.
export function makeColumn(network, stage, toggle) {
  const index = stage.shown;
  const layer = index === 0 ? null : network.layers[index - 1];
  const shape = layer ? layer.out : network.input.shape;
  const form = shape.length === 3 ? "maps" : isNamed(network, index) ? "bars" : "strip";
  const column = { index, stage, layer, shape, form, ...gridOf(form, shape, network, index) };
  column.opens = index === 0 ? null : stage.layers[0]; // the layer that a click opens
  column.badge = make("span", { class: "badge" });
  column.type = make("p", { class: "type" });
  column.legend = make("div", { class: "legend" }, make("canvas"), make("p", { class: "scale" },
    make("span"), make("span"), make("span")), make("p", { class: "whose" }));
  column.cells = make("div", { class: `cells ${form}`, tabindex: 0, role: "application" });
  column.boxes = [];
  column.all = false; // whether all channels or classes are shown
  column.more = make("button", { type: "button", class: "more", hidden: true, onclick: () => toggle(column) });
  if (index === 0 && isPicture(shape) && shape[2] === 3) column.picture = make("canvas", { class: "photo" });
  column.element = make("section", { class: `column of-${form}`, "data-layer": index - 1, "data-kind": layer?.kind ?? "input" },
    make("header", {}, make("h2"), column.type,
      make("p", { class: "shape" }, shape.map((n) => n.toLocaleString("en")).join(" × ")),
      index > 0 && column.badge),
    make("div", { class: "body" }, column.picture, column.cells, column.more), column.legend);
  return column;
}

// Choose what the column shows and make its boxes; `most` maps at most, and channel or class `always`.
export function fillColumn(column, state, most, always = null) {
  const { shape, form, all } = column;
  const count = form === "maps" ? shape[2] : sizeOf(shape);
  if (form === "maps") column.channels = channelsShown(column, state, all ? count : most, always);
  if (form === "bars") {
    column.units = all || count <= MANY ? upTo(count) : best(state.outputs[column.index], always);
    column.rows = column.units.length;
  }
  const shown = (column.channels ?? column.units ?? [0]).length;
  if (column.boxes.length !== (form === "maps" ? shown : 1) || form === "bars") {
    column.boxes = boxesOf(column, state);
    column.cells.replaceChildren(...column.boxes);
  }
  column.element.classList.toggle("all", all && form === "maps");
  column.more.hidden = form === "strip" || (count <= shown && !all);
  const w = words(state.language);
  const counts = fillIn(w.shown_of, { shown, count: count.toLocaleString("en") });
  column.more.dataset.short = `${shown}/${count}`;
  column.more.replaceChildren(make("span", {}, all ? w.show_fewer : `${counts} · ${w.show_all}`));
}

// Give the boxes their size; `side` is the longest side of a map, `height` that of the column.
export function sizeColumn(column, { side, wide }, height) {
  const { shape, form, all, boxes, cells } = column;
  cells.style.height = all && form === "maps" ? "" : `${height - (column.picture ? side + 12 : 0)}px`;
  if (column.picture) Object.assign(column.picture.style, sized(shape, side));
  const alone = form === "maps" && boxes.length === 1 ? Math.min(LONE, Math.max(side, wide * 0.75)) : side;
  const size = sized(shape, all ? Math.min(side, ALL) : alone);
  if (form === "maps") for (const box of boxes) Object.assign(box.style, size);
  if (form === "maps" && all) cells.style.gridTemplateColumns = `repeat(${Math.ceil(boxes.length / MANY)}, max-content)`;
  else cells.style.gridTemplateColumns = "";
  if (form === "strip") {
    const cell = Math.max(3, Math.min(8, Math.floor((wide * 0.66) / column.columns)));
    Object.assign(boxes[0].style, { width: `${column.columns * cell}px`, height: `${column.rows * cell}px` });
  }
}

// Whether a channel or class has a box.
export function hasBox(column, unit) {
  const { box, row } = cellOf(column, unit);
  return box >= 0 && row >= 0;
}

// The box and the cell where a unit is drawn; -1 for those of a channel or class that is not shown.
export function cellOf(column, unit) {
  if (column.form === "maps") {
    const { row, column: c, channel } = placeOf(column.shape, unit);
    return { box: column.channels.indexOf(channel), row, column: c };
  }
  if (column.form === "bars") return { box: 0, row: column.units.indexOf(unit), column: 0 };
  return { box: 0, row: Math.floor(unit / column.columns), column: unit % column.columns };
}

// The unit drawn in a cell, or null after the end of a strip.
export function unitIn(column, box, row, c) {
  if (column.form === "maps") return unitAt(column.shape, row, c, column.channels[box]);
  if (column.form === "bars") return column.units[row] ?? null;
  const unit = row * column.columns + c;
  return unit < sizeOf(column.shape) ? unit : null;
}

// Draw the numbers.
export function drawBoxes(column, state, ranges) {
  const data = state.outputs[column.index];
  if (column.index === 0 && isPicture(column.shape)) {
    column.boxes.forEach((box, k) => drawPicture(box, data, column.shape, column.channels[k]));
    return;
  }
  column.boxes.forEach((box, k) => {
    const channel = column.channels?.[k];
    const range = rangeIn(column, state, ranges, channel);
    if (column.form === "maps") drawMap(box, data, channel, column.shape[2], column.rows, column.columns, range);
    else if (column.form === "strip") drawMap(box, data, 0, 1, column.rows, column.columns, range);
    else drawBars(column, data, range, state);
  });
}

// Write the head, and draw the legend; `pointed` is the unit whose map it describes, or null.
export function drawHead(column, state, ranges, pointed) {
  const { outputs, network, language } = state;
  const w = words(language);
  const data = outputs[column.index];
  column.element.querySelector("h2").textContent = stageName(column.stage, network, language);
  const types = column.stage.layers.map((i) => typeOf(network.layers[i], w));
  column.type.textContent = column.layer ? types.join(" · ") : w.picture;
  column.element.querySelector("header").title = [stageName(column.stage, network, language), ...types].join("\n");
  if (column.picture) drawPicture(column.picture, data, column.shape);
  drawLegend(column, state, ranges, pointed);
}

// The name of the layer that a click opens.
export function stageName({ layers }, network, language) {
  if (layers.length === 0) return words(language).input;
  return network.layers[layers[0]].name;
}

export function drawLegend(column, state, ranges, pointed) {
  const w = words(state.language);
  const channel = column.form === "maps" ? placeOf(column.shape, pointed ?? 0).channel : 0;
  const range = rangeIn(column, state, ranges, channel);
  const [canvas, scale, whose] = column.legend.children;
  drawMap(canvas, Float64Array.from({ length: 101 }, (_, i) => (i - 50) / 50), 0, 1, 1, 101, 1);
  column.legend.dataset.range = String(range);
  [-range, 0, range].forEach((value, i) => setNumeral(scale.children[i], value || 0, false));
  const single = state.scale === "unit" && column.form === "maps" && column.shape[2] > 1;
  whose.textContent = single ? `${w.channel} ${channel}` : "";
}

// The range of the colour scale of a box.
function rangeIn(column, state, ranges, channel) {
  if (state.scale === "global") return ranges.global;
  if (state.scale === "layer" || column.form !== "maps") return ranges.layers[column.index];
  return rangeOf(state.outputs[column.index], channel, column.shape[2]);
}

// Whether the units of an output are the classes: logits and probabilities.
function isNamed(network, index) {
  const size = network.classes.length;
  return index > 0 && network.layers.slice(index - 1).every(({ out }) => out.length === 1 && sizeOf(out) === size);
}

function gridOf(form, shape, network, index) {
  if (form === "maps") return { rows: shape[0], columns: shape[1] };
  const units = sizeOf(shape);
  if (form === "bars") return { rows: units, columns: 1 };
  // A flattened map has the channels of one pixel in each row, unless there are too few or too many.
  const channels = mapBefore(network, index)?.at(-1) ?? 0;
  const columns = units <= 64 ? 1 : channels >= 8 && channels <= 64 ? channels : units <= 1024 ? 8 : 32;
  return { rows: Math.ceil(units / columns), columns };
}

// The shape of the last map from which the vector outputs[index] is computed.
function mapBefore(network, index) {
  if (index === 0) return null;
  const { in: shape, inputs } = network.layers[index - 1];
  return shape.length === 3 ? shape : mapBefore(network, inputs[0]);
}

// The classes with the largest numbers, and `always`.
function best(data, always) {
  const order = upTo(data.length).sort((a, b) => data[b] - data[a] || a - b);
  const first = order.slice(0, TOP);
  return always === null || first.includes(always) ? first : [...first, always];
}

function boxesOf(column, state) {
  const { network } = state;
  if (column.form === "bars") {
    return [make("div", { class: "bars named" }, column.units.map((unit) =>
      make("div", { class: "bar", title: network.classes[unit], "data-unit": unit },
        make("span", { class: "who" }, network.classes[unit]),
        make("span", { class: "track" }, make("span", { class: "fill" })),
        make("span", { class: "amount" }))))];
  }
  if (column.form === "strip") return [make("canvas", { class: "map" })];
  const tints = column.index === 0 && column.shape[2] === 3 ? words(state.language).primaries : [];
  return column.channels.map((channel) => make("canvas", { class: isPhoto(column) ? "map photo" : "map", title: tints[channel] }));
}

// Whether the column's one map is the picture itself.
function isPhoto({ index, shape }) {
  return index === 0 && shape.length === 3 && shape[2] === 1;
}

// The size of a picture (height, width, channels) whose longest side is `side` pixels.
function sized([height, width], side) {
  const unit = side / Math.max(height, width);
  return { width: `${Math.round(unit * width)}px`, height: `${Math.round(unit * height)}px` };
}

function drawBars(column, data, range, state) {
  const isShare = column.layer.kind === "softmax";
  const most = isShare ? 1 : range;
  const signed = !isShare && data.some((value) => value < 0);
  const top = data.indexOf(Math.max(...data));
  [...column.boxes[0].children].forEach((bar, i) => {
    const unit = column.units[i];
    const [, track, amount] = bar.children;
    const share = most > 0 ? Math.min(1, Math.abs(data[unit]) / most) : 0;
    const length = signed ? share / 2 : share;
    bar.classList.toggle("top", isShare && unit === top);
    Object.assign(track.firstChild.style, {
      left: `${100 * (!signed ? 0 : data[unit] < 0 ? 0.5 - length : 0.5)}%`,
      width: `${100 * length}%`,
      backgroundColor: isShare ? "" : cssColour(data[unit], range),
    });
    setNumeral(amount, data[unit], state.exact);
  });
}
