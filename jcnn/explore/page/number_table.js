// A small table of numbers with the headings "row 0", "column 0", which are for screen readers only.

import { make } from "./dom.js";
import { upTo } from "./shapes.js";

// {element, cells, notes}: the figure with its caption, the places for the numbers, row by row, and
// for what a screen reader is told of each. `key` is for `data-grid`, `name` the caption
// and `label` the name of the table.
export function makeNumberTable(key, name, label, rows, columns, w) {
  const count = rows * columns;
  const cells = upTo(count).map((i) => make("span", { class: "cell", "data-cell": i }));
  const notes = upTo(count).map(() => make("span", { class: "unseen" }));
  const heading = (scope, text) => make("th", { scope }, make("span", { class: "unseen" }, text));
  const table = make("table", { class: "number-table", "aria-label": label },
    make("thead", {}, make("tr", {}, make("td"), upTo(columns).map((c) => heading("col", `${w.column} ${c}`)))),
    make("tbody", {}, upTo(rows).map((r) => make("tr", {}, heading("row", `${w.row} ${r}`),
      upTo(columns).map((c) => make("td", {}, cells[r * columns + c], notes[r * columns + c]))))));
  return { element: make("figure", { "data-grid": key }, table, make("figcaption", { "aria-hidden": "true" }, name)), cells, notes };
}
