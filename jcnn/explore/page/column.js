// One column of the overview: name, type and shape of a layer, its numbers as colours, a legend.

import { cssColour, drawMap, rangeOf } from "./colour.js";
import { setNumeral } from "./digits.js";
import { make } from "./dom.js";
import { drawPicture, isPicture } from "./pictures.js";
import { placeOf, sizeOf, unitAt } from "./shapes.js";
import { typeOf, words } from "./words.js";

const BARS = 128; // vectors of up to this many units are bars, longer vectors a strip of cells
const HIGH = 16; // maps per column of maps
const GAP = 4; // pixels between maps, as in the style sheet

// Make the column of outputs[index]: index 0 is the input, index i + 1 is layer i. `boxes` are its
// canvases (or one list of bars), each a grid of `rows` by `columns` cells. They are missing until
// `fillColumn`, because a network may have 60,000; their place is kept.
export function makeColumn(network, index) {
  const layer = index === 0 ? null : network.layers[index - 1];
  const shape = layer ? layer.out : network.input.shape;
  const form = shape.length === 3 ? "maps" : sizeOf(shape) <= BARS ? "bars" : "strip";
  const column = { index, layer, shape, form, ...gridOf(form, shape, network, index) };
  column.badge = make("span", { class: "badge" });
  column.type = make("p", { class: "type" });
  column.legend = make("div", { class: "legend" }, make("canvas"), make("p", { class: "scale" },
    make("span"), make("span"), make("span")), make("p", { class: "whose" }));
  column.cells = make("div", { class: `cells ${form}`, tabindex: 0, role: "application" });
  column.boxes = [];
  keepPlace(column);
  if (index === 0 && isPicture(shape)) column.picture = make("canvas", { class: "photo" });
  column.element = make("section", { class: "column", "data-layer": index - 1, "data-kind": layer?.kind ?? "input" },
    make("header", {}, make("h2", {}, layer ? layer.name : ""), column.type,
      make("p", { class: "shape" }, shape.map((n) => n.toLocaleString("en")).join(" × ")), layer && column.badge),
    make("div", {}, column.picture, column.cells, column.legend));
  return column;
}

// Make the boxes.
export function fillColumn(column, network) {
  if (column.boxes.length > 0) return;
  column.boxes = boxesOf(column, network);
  column.cells.append(...column.boxes);
  Object.assign(column.cells.style, { minWidth: "", minHeight: "" });
}

// The number of boxes that `fillColumn` makes.
export function boxCount({ form, shape }) {
  return form === "maps" ? shape[2] : 1;
}

// The box and the cell where a unit is drawn.
export function cellOf(column, unit) {
  if (column.form === "maps") {
    const { row, column: c, channel } = placeOf(column.shape, unit);
    return { box: channel, row, column: c };
  }
  return { box: 0, row: Math.floor(unit / column.columns), column: unit % column.columns };
}

// The unit drawn in a cell, or null after the end of a strip.
export function unitIn(column, box, row, c) {
  if (column.form === "maps") return unitAt(column.shape, row, c, box);
  const unit = row * column.columns + c;
  return unit < sizeOf(column.shape) ? unit : null;
}

// Draw the numbers.
export function drawBoxes(column, state, ranges) {
  const data = state.outputs[column.index];
  column.boxes.forEach((box, k) => {
    const range = rangeIn(column, state, ranges, k);
    if (column.form === "maps") drawMap(box, data, k, column.shape[2], column.rows, column.columns, range);
    else if (column.form === "strip") drawMap(box, data, 0, 1, column.rows, column.columns, range);
    else drawBars(column, data, range, state);
  });
}

// Write the head, and draw the legend; `pointed` is the unit whose map it describes, or null.
export function drawHead(column, state, ranges, pointed) {
  const { outputs, language } = state;
  const w = words(language);
  const data = outputs[column.index];
  if (!column.layer) column.element.querySelector("h2").textContent = w.input;
  column.type.textContent = column.layer ? typeOf(column.layer, w) : w.picture;
  if (column.picture) drawPicture(column.picture, data, column.shape);
  drawLegend(column, state, ranges, pointed);
}

export function drawLegend(column, state, ranges, pointed) {
  const w = words(state.language);
  const channel = column.form === "maps" && pointed !== null ? cellOf(column, pointed).box : 0;
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

function gridOf(form, shape, network, index) {
  if (form === "maps") return { rows: shape[0], columns: shape[1] };
  const units = sizeOf(shape);
  if (form === "bars") return { rows: units, columns: 1 };
  // A flattened map has the channels of one pixel in each row, unless there are too few or too many.
  const channels = mapBefore(network, index)?.at(-1) ?? 0;
  const columns = channels >= 8 && channels <= 64 ? channels : 32;
  return { rows: Math.ceil(units / columns), columns };
}

// The shape of the last map from which the vector outputs[index] is computed.
function mapBefore(network, index) {
  if (index === 0) return null;
  const { in: shape, inputs } = network.layers[index - 1];
  return shape.length === 3 ? shape : mapBefore(network, inputs[0]);
}

function boxesOf(column, network) {
  if (column.form === "bars") {
    // Class names are shown next to logits and probabilities.
    const named = sizeOf(column.shape) === network.classes.length && column.index > 0 &&
      network.layers.slice(column.index - 1).every((l) => sizeOf(l.out) === sizeOf(column.shape));
    return [make("div", { class: `bars ${named ? "named" : ""}` }, Array.from({ length: column.rows }, (_, i) =>
      make("div", { class: "bar", title: named ? network.classes[i] : null },
        make("span", { class: "who" }, named ? network.classes[i] : i),
        make("span", { class: "track" }, make("span", { class: "fill" })),
        make("span", { class: "amount" }))))];
  }
  if (column.form === "strip") {
    const canvas = make("canvas", { class: "map" });
    const cell = column.columns > 40 ? 3 : 4;
    Object.assign(canvas.style, { width: `${column.columns * cell}px`, height: `${column.rows * cell}px` });
    return [canvas];
  }
  const { across, high, wide } = mapGrid(column.shape);
  column.cells.style.gridTemplateColumns = `repeat(${across}, max-content)`;
  return Array.from({ length: column.shape[2] }, () => {
    const canvas = make("canvas", { class: "map" });
    Object.assign(canvas.style, { width: `${wide}px`, height: `${high}px` });
    return canvas;
  });
}

// The number of maps side by side, and the size of one in pixels.
function mapGrid([height, width, channels]) {
  const side = channels <= 3 ? 84 : channels <= 11 ? 52 : 34;
  const across = channels <= HIGH ? 1 : Math.ceil(channels / HIGH);
  const unit = side / Math.max(height, width);
  return { across, high: unit * height, wide: unit * width };
}

// The size that the maps will have.
function keepPlace({ form, shape, cells }) {
  if (form !== "maps") return;
  const { across, high, wide } = mapGrid(shape);
  const down = Math.ceil(shape[2] / across);
  const length = (count, size) => `${count * size + (count - 1) * GAP}px`;
  Object.assign(cells.style, { minWidth: length(across, wide), minHeight: length(down, high) });
}

function drawBars(column, data, range, state) {
  const signed = data.some((value) => value < 0);
  const bars = [...column.boxes[0].children];
  bars.forEach((bar, i) => {
    const [, track, amount] = bar.children;
    const share = range > 0 ? Math.min(1, Math.abs(data[i]) / range) : 0;
    const length = signed ? share / 2 : share;
    Object.assign(track.firstChild.style, {
      left: `${100 * (!signed ? 0 : data[i] < 0 ? 0.5 - length : 0.5)}%`,
      width: `${100 * length}%`,
      backgroundColor: cssColour(data[i], range),
    });
    setNumeral(amount, data[i], state.exact);
  });
}
