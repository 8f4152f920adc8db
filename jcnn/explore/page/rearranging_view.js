// Zero padding, cropping and upsampling: where the numbers of a unit come from.

import { rangeOf } from "./colour.js";
import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { EQUALS, equation, sumParts } from "./equation.js";
import { graphWords } from "./graph_words.js";
import { mapPicture } from "./map_picture.js";
import { rearrangedTerms, tapsOf } from "./rearranging.js";
import { fillPanel, viewHead, viewed, viewTable } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

export function showRearranging(panel, state) {
  const { layer, unit, x, y, place } = viewed(state);
  const text = graphWords[state.language];
  const general = viewWords[state.language];
  const { row, column, channel } = place;
  const terms = rearrangedTerms(layer, x, place);
  const range = rangeOf(x);
  const box = terms.length > 0 && [terms[0].row, terms[0].column,
    terms.at(-1).row - terms[0].row + 1, terms.at(-1).column - terms[0].column + 1];
  fillPanel(panel,
    viewHead(state, text[`${layer.kind}Title`]),
    make("p", {}, layer.kind === "upsample" ? text[`${layer.interpolation}Intro`] : text[`${layer.kind}Intro`]),
    axisLine(state, `${text.movedRow}: `, "r", layer, 0, row),
    axisLine(state, `${text.movedColumn}: `, "c", layer, 1, column),
    ...sumLines(state, text, general, layer, terms, y[unit], place),
    make("div", { class: "view-columns" },
      mapPicture(x, layer.in, channel, box || [0, 0, 0, 0], range, fillIn(general.poolInput, { channel })),
      mapPicture(y, layer.out, channel, [row, column, 1, 1], range, fillIn(general.poolOutput, { channel }))));
}

// The row or column of the input that belongs to one of the output.
function axisLine(state, name, letter, layer, axis, at) {
  if (layer.kind === "zero_pad") {
    const before = layer.padding[axis][0];
    return equation(state, [name, `${letter} − ${viewWords[state.language].viewPadding} = `, at, " − ", before, EQUALS, at - before]);
  }
  if (layer.kind === "crop") {
    const before = layer.cropping[axis][0];
    return equation(state, [name, at, " + ", before, EQUALS, at + before]);
  }
  const factor = layer.size[axis];
  if (layer.interpolation === "nearest") {
    return equation(state, [name, `⌊${letter} / ${factor}⌋ = ⌊`, at, " / ", factor, "⌋", EQUALS, Math.floor(at / factor)]);
  }
  return equation(state, [name, `(${letter} + 0.5) / ${factor} − 0.5 = (`, at, " + 0.5) / ", factor, " − 0.5",
    EQUALS, (at + 0.5) / factor - 0.5]);
}

function sumLines(state, text, general, layer, terms, result, place) {
  if (terms.length === 0) return [make("p", {}, text.movedOutside), equation(state, ["y", EQUALS, result], true)];
  if (terms.length === 1) {
    const [{ row, column, value }] = terms;
    return [equation(state, [`y = x(${row}, ${column}, ${place.channel}): `, value, EQUALS, result], true)];
  }
  const weightOf = (axis, cell) => tapsOf(layer, axis, axis === 0 ? place.row : place.column)
    .find(([one]) => one === cell)[1];
  const rows = terms.map((term) => [`(${term.row}, ${term.column}, ${place.channel})`,
    ...[term.value, weightOf(0, term.row), weightOf(1, term.column), term.product]
      .map((number) => numeral(number, state.exact))]);
  return [
    make("p", { class: "view-note" }, text.movedWeights),
    viewTable([text.movedCell, general.viewValue, general.viewRow, general.viewColumn, general.termsProduct], rows),
    equation(state, ["y = ", ...sumParts(terms.map(({ product }) => product)), EQUALS, result]),
  ];
}
