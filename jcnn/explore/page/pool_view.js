// Pooling: the cells of the window, and their maximum or mean.

import { rangeOf } from "./colour.js";
import { numeral, written } from "./digits.js";
import { make } from "./dom.js";
import { EQUALS, equation, sumParts } from "./equation.js";
import { mapPicture } from "./map_picture.js";
import { termsOf } from "./terms.js";
import { fillPanel, viewHead, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

// For a larger window the cells are not listed in an equation.
const CELLS_IN_A_LINE = 12;

export function showPool(panel, state) {
  const { layer, unit, x, y, place } = viewed(state);
  const text = viewWords[state.language];
  const { row, column, channel } = place;
  const [height, width] = layer.window;
  const top = row * layer.stride[0] - layer.padding[0][0];
  const left = column * layer.stride[1] - layer.padding[1][0];
  const { terms, winner } = termsOf(layer, x, unit);
  const values = terms.filter((term) => term.source >= 0).map((term) => term.value);
  const isMax = layer.kind === "max_pool";
  const range = rangeOf(x);
  fillPanel(panel,
    viewHead(state, isMax ? text.poolTitleMax : text.poolTitleAverage),
    make("p", {}, isMax ? text.poolIntroMax : text.poolIntroAverage),
    equation(state, [`${text.poolTop} = r × ${text.viewStride} − ${text.viewPadding} = `,
      row, " × ", layer.stride[0], " − ", layer.padding[0][0], EQUALS, top]),
    equation(state, [`${text.poolLeft} = c × ${text.viewStride} − ${text.viewPadding} = `,
      column, " × ", layer.stride[1], " − ", layer.padding[1][0], EQUALS, left]),
    make("div", { class: "view-columns" },
      mapPicture(x, layer.in, channel, [top, left, height, width], range,
        fillIn(text.poolInput, { channel })),
      windowGrid(state, text, terms, [top, left], terms[winner]),
      mapPicture(y, layer.out, channel, [row, column, 1, 1], range,
        fillIn(text.poolOutput, { channel }))),
    ...(isMax ? largestLines(state, text, values, y[unit])
      : meanLines(state, text, values, height * width, y[unit])));
}

// The cells of the window, with row and column numbers of the input.
function windowGrid(state, text, terms, [top, left], winner) {
  const cell = (term) => {
    if (term.source < 0) return make("td", { class: "outside-cell" }, text.viewPadding);
    const value = numeral(term.value, state.exact);
    if (term !== winner) return make("td", {}, value);
    return make("td", { class: "winner" }, value, make("small", {}, text.poolWinner));
  };
  const width = terms.at(-1).column + 1;
  const rows = Array.from({ length: terms.length / width }, (_, row) =>
    terms.slice(row * width, (row + 1) * width));
  return make("div", { class: "view-scroll" }, make("table", { class: "window-grid" },
    make("thead", {}, make("tr", {}, make("td"),
      rows[0].map((term) => make("th", { scope: "col" }, written(left + term.column, true))))),
    make("tbody", {}, rows.map((line, row) => make("tr", {},
      make("th", { scope: "row" }, written(top + row, true)), line.map(cell))))));
}

function largestLines(state, text, values, result) {
  const inLine = values.length <= CELLS_IN_A_LINE;
  const listed = values.flatMap((value, at) => (at ? [", ", value] : [value]));
  const equals = values.filter((value) => value === result).length;
  return [
    equation(state, [...(inLine ? ["max(", ...listed, ")"] : [text.poolLargest]), EQUALS, result], true),
    ...(equals > 1 ? [make("p", { class: "view-note" }, fillIn(text.poolEquals, { equals }))] : []),
  ];
}

function meanLines(state, text, values, windowCells, result) {
  const sum = values.reduce((total, value) => total + value, 0);
  const inLine = values.length <= CELLS_IN_A_LINE;
  const outside = windowCells - values.length;
  return [
    equation(state, [...(inLine ? sumParts(values) : [text.poolSum]), EQUALS, sum]),
    equation(state, [sum, " / ", values.length, EQUALS, result]),
    ...(outside > 0 ? [make("p", { class: "view-note" }, fillIn(text.poolOutside, { outside }))] : []),
  ];
}
