// The grids beside input, kernel and output: bias, weights and mask; and the drawing of a dense layer.

import { make, makeSvg } from "./dom.js";
import { setNumeral, written } from "./digits.js";
import { numberCell, numberGrid } from "./playground_grid.js";
import { fillIn } from "./words.js";

// A grid under its caption; the grid itself has the whole name.
export function gridFigure(caption, grid) {
  return make("figure", {}, caption && make("figcaption", {}, caption), make("div", { class: "pg-scroll" }, grid));
}

// One number for each filter or unit, below each other as the outputs are.
export function biasFigure(view, entryOf) {
  const { play, text } = view;
  const column = play.bias.map((number) => [number]);
  const cells = column.map((row, i) => [entryOf(view, column, i, 0, (value) => (play.bias[i] = value))]);
  return gridFigure(text.bias_title, numberGrid(text.bias_title, cells));
}

export function weightsFigure(view, entryOf) {
  const { play, text } = view;
  const cells = play.weights.map((row, i) => row.map((_, j) => entryOf(view, play.weights, i, j)));
  const grid = numberGrid(text.weights_title, cells);
  view.grids.weights = [grid];
  return gridFigure(text.weights, grid);
}

export function maskFigure(view, channel) {
  const { layer, text } = view;
  const [rows, columns, channels] = layer.in;
  const label = channels > 1 ? fillIn(text.mask_channel, { channel }) : text.mask_title;
  const cells = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => {
      const cell = numberCell(row, column);
      const value = layer.mask[(row * columns + column) * channels + channel];
      setNumeral(cell.firstChild, value, true);
      cell.setAttribute("aria-label", fillIn(text.place_value, { row, column, value }));
      return cell;
    }),
  );
  const grid = numberGrid(label, cells);
  view.grids.mask.push(grid);
  return gridFigure(channels > 1 && channel > 0 ? "" : text.mask_title, grid);
}

// --- all-to-all -----------------------------------------------------------------------------------

const ALL_WIDE = 190;
const ALL_HIGH = 300;

// An empty drawing; `refreshAllToAll` fills it.
export function allToAll(view) {
  view.drawing = makeSvg("svg", { class: "pg-all", viewBox: `0 0 ${ALL_WIDE} ${ALL_HIGH}`, role: "img", "aria-label": view.text.all_to_all });
  return make("figure", {}, view.drawing);
}

// The lines of the weights, those of the chosen unit in front.
export function refreshAllToAll(view) {
  const { play, x, y, state, drawing } = view;
  const units = y.length;
  const most = Math.max(1e-9, ...play.weights.flat().map(Math.abs));
  const place = (count, i) => ((i + 0.5) * ALL_HIGH) / count;
  const chosen = play.at?.column ?? null;
  const order = Array.from({ length: units }, (_, unit) => unit).sort((a, b) => (a === chosen) - (b === chosen));
  const lines = order.flatMap((unit) =>
    Array.from(x, (_, input) => {
      const weight = play.weights[input][unit];
      const sign = weight > 0 ? "pg-positive" : weight < 0 ? "pg-negative" : "pg-nothing";
      const faded = chosen !== null && chosen !== unit ? " pg-faded" : "";
      return makeSvg("line", {
        class: `${sign}${faded}`, "data-input": input, "data-unit": unit, x1: 34, x2: ALL_WIDE - 36,
        y1: place(x.length, input), y2: place(units, unit), "stroke-width": 0.6 + (2.6 * Math.abs(weight)) / most,
      });
    }),
  );
  const figures = (values, left) => Array.from(values, (value, i) =>
    makeSvg("text", { x: left, y: place(values.length, i), "font-size": Math.min(13, (0.9 * ALL_HIGH) / values.length) }, written(value, state.exact)));
  const known = play.answers || play.filled !== null ? [] : figures(y, ALL_WIDE - 16);
  drawing.replaceChildren(...lines, ...figures(x, 16), ...known);
}
