// Flatten: from a cell to its index in the vector and back. A reshape keeps the index, too.

import { rangeOf } from "./colour.js";
import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { graphWords } from "./graph_words.js";
import { EQUALS, equation } from "./equation.js";
import { mapPicture } from "./map_picture.js";
import { placeOf } from "./shapes.js";
import { cellText, choiceButton, fillPanel, placeFields } from "./view_panel.js";
import { selectUnit, viewed, viewHead, viewTable } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

// Number of entries shown before and after the selected one.
const SLOTS_BESIDE = 5;

export function showFlatten(panel, state) {
  const { layer, index, unit, x, y } = viewed(state);
  const text = viewWords[state.language];
  const { row, column, channel } = placeOf(layer.in, unit);
  const choose = (chosen) => selectUnit(index, chosen);
  fillPanel(panel,
    viewHead(state, layer.kind === "reshape" ? graphWords[state.language].reshapeTitle : text.flattenTitle),
    make("p", {}, layer.kind === "reshape" ? graphWords[state.language].reshapeIntro : text.flattenIntro),
    ...(layer.in.length === 3 ? [
      make("div", { class: "view-controls" }, ...placeFields(state, layer.in, unit, "in", choose)),
      ...slotLines(state, layer.in, unit, [row, column, channel]),
    ] : []),
    equation(state, [`y(${unit}) = x${cellText(layer.in, unit)}`, EQUALS, y[unit]], true),
    make("div", { class: "view-columns" },
      ...(layer.in.length === 3 ? [mapPicture(x, layer.in, channel,
        [row, column, 1, 1], rangeOf(x), fillIn(text.poolInput, { channel }))] : []),
      slotTable(state, text, layer, y, unit, choose)));
}

function slotLines(state, [, width, channels], unit, [row, column, channel]) {
  return [
    equation(state, ["i = (r × W + c) × C + k = (", row, " × ", width, " + ", column, ") × ",
      channels, " + ", channel, EQUALS, unit]),
    equation(state, ["k = i mod C = ", unit, " mod ", channels, EQUALS, channel]),
    equation(state, ["c = ⌊i / C⌋ mod W = ⌊", unit, " / ", channels, "⌋ mod ", width,
      EQUALS, column]),
    equation(state, ["r = ⌊i / (C × W)⌋ = ⌊", unit, " / (", channels, " × ", width, ")⌋",
      EQUALS, row]),
  ];
}

function slotTable(state, text, layer, y, unit, choose) {
  const first = Math.max(0, Math.min(unit - SLOTS_BESIDE, y.length - 2 * SLOTS_BESIDE - 1));
  const count = Math.min(2 * SLOTS_BESIDE + 1, y.length);
  const rows = Array.from({ length: count }, (_, at) => {
    const slot = first + at;
    const button = choiceButton(String(slot), `slot-${slot}`, () => choose(slot), slot === unit);
    return [button, cellText(layer.in, slot), numeral(y[slot], state.exact)];
  });
  return viewTable([text.flattenSlot, text.flattenCell, text.viewValue], rows);
}
