// One unit of a transposed convolution: the products that meet in it, and the bias.

import { rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { makeEditable } from "./edit_cell.js";
import { graphWords } from "./graph_words.js";
import { mapPicture } from "./map_picture.js";
import { termsOf } from "./terms.js";
import { termsTable } from "./terms_table.js";
import { cellText, fillPanel, viewHead, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn, words } from "./words.js";

export function showTransposed(panel, state) {
  const { layer, index, unit, x, y, place } = viewed(state);
  const [text, general] = [graphWords[state.language], viewWords[state.language]];
  const { kernel, bias } = layer.arrays;
  const sum = { ...termsOf(layer, x, unit), ...(bias ? {} : { bias: null }) };
  const { terms } = sum;
  const tap = ({ row, column, channel }) => `(${row}, ${column}, ${channel})`;
  const edit = {
    weight: (cell, at) => makeEditable(cell, index, kernel, terms[at].at, `w${tap(terms[at])}`),
    bias: (cell) => makeEditable(cell, index, bias, place.channel, `b(${place.channel})`),
  };
  fillPanel(panel,
    viewHead(state, text.transposedTitle),
    make("p", {}, text.transposedIntro),
    make("p", { class: "view-note" }, words(state.language).edit_note),
    termsTable(state, sum, [general.im2colIndex, general.im2colTap, general.im2colFrom],
      (at) => [String(at), tap(terms[at]), cellText(layer.in, terms[at].source)], edit),
    make("div", { class: "view-columns" }, mapPicture(y, layer.out, place.channel, [place.row, place.column, 1, 1],
      rangeOf(y), fillIn(general.poolOutput, { channel: place.channel }))));
}
