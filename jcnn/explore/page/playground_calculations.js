// The sizes and counts of the lectures as a table, computed when drawn.

import { calculated, CALCULATIONS, formulaText } from "./calculations.js";
import { make } from "./dom.js";
import { fillIn } from "./words.js";

export function calculationsTable(text) {
  const lines = CALCULATIONS.map((calculation) =>
    make(
      "tr",
      { "data-example": calculation.id },
      make("th", { scope: "row" }, make("span", { class: "pg-letter" }, calculation.lecture), text[calculation.title ?? calculation.id]),
      make("td", {}, resultLines(text, calculation.result), misprintLine(text, calculation)),
    ),
  );
  return make(
    "details",
    { class: "pg-calculations" },
    make("summary", {}, text.calculations),
    make("div", { class: "pg-scroll" }, make("table", {}, make("tbody", {}, lines))),
  );
}

// A list of results has a line each; a shape, whose channels are a plain number, has one line.
function resultLines(text, result) {
  if (!Array.isArray(result)) return resultLine(text, result);
  const lines = result.map((one) => resultLines(text, one));
  return result.some((one) => typeof one === "number") ? make("div", { class: "pg-shape" }, lines) : lines;
}

function resultLine(text, tree) {
  const value = calculated(tree);
  const formula = typeof tree === "function" ? text.search : formulaText(tree);
  const shownValue = Number.isInteger(value) ? value.toLocaleString("en") : String(value);
  const equals = typeof tree === "number" ? "" : `${formula} = `;
  return make("p", {}, equals, make("strong", { "data-value": value }, shownValue));
}

function misprintLine(text, { printed }) {
  if (printed === undefined) return null;
  return make("p", { class: "pg-misprint-note" }, fillIn(text.calculation_misprint, { printed: printed.toLocaleString("en") }));
}
