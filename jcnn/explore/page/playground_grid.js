// Grids of numbers with arrow-key navigation; each grid is one Tab stop.

import { make } from "./dom.js";

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// `rows` holds cells made by `numberCell`, `entryCell` and `paddingCell`.
export function numberGrid(label, rows) {
  const lines = rows.map((cells) => make("div", { class: "pg-row", role: "row" }, cells));
  const grid = make("div", { class: "pg-grid", role: "grid", "aria-label": label }, lines);
  const first = grid.querySelector("[data-row]");
  if (first) first.tabIndex = 0;
  grid.addEventListener("focusin", ({ target }) => {
    if (target.dataset.row !== undefined) stopAt(grid, target);
  });
  grid.addEventListener("keydown", (event) => walkGrid(grid, event));
  return grid;
}

// Make a cell the Tab stop of its grid.
export function stopAt(grid, cell) {
  for (const other of grid.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  cell.tabIndex = 0;
}

export function cellAt(grid, row, column) {
  return grid.querySelector(`[data-row="${row}"][data-column="${column}"]`);
}

// A read-only number; `setNumeral` writes it into the first span.
export function numberCell(row, column) {
  return make(
    "div",
    { class: "pg-cell", role: "gridcell", tabindex: -1, "data-row": row, "data-column": column },
    make("span"),
  );
}

// An editable number: `onType` on every input, `onLeave` at the end; Esc restores the old number.
export function entryCell(row, column, text, onType, onLeave) {
  const input = make("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    tabindex: -1,
    "data-row": row,
    "data-column": column,
  });
  input.value = text;
  let before = text;
  input.addEventListener("focus", () => {
    before = input.value;
    input.select();
  });
  input.addEventListener("input", () => onType(input));
  input.addEventListener("change", () => onLeave(input));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || input.value === before) return;
    event.stopPropagation();
    input.value = before;
    onType(input);
    input.select();
  });
  return make("div", { class: "pg-cell pg-entry", role: "gridcell" }, input);
}

export function paddingCell(text, label) {
  return make("div", { class: "pg-cell pg-padding", role: "gridcell", "aria-label": label }, text);
}

function walkGrid(grid, event) {
  const { row, column } = event.target.dataset;
  if (row === undefined || event.altKey || event.metaKey || event.isComposing) return;
  const target = targetOf(grid, event, Number(row), Number(column));
  if (target === undefined) return;
  event.preventDefault();
  target?.focus();
}

// The target of a key: a cell, null at the edge of the grid, undefined for other keys.
function targetOf(grid, event, row, column) {
  const cells = [...grid.querySelectorAll("[data-row]")];
  const own = cells.filter((cell) => Number(cell.dataset.row) === row);
  if (event.key === "Home") return (event.ctrlKey ? cells : own)[0];
  if (event.key === "End") return (event.ctrlKey ? cells : own).at(-1);
  if (event.ctrlKey) return undefined;
  // Enter moves to the next cell; in the last cell it only ends the input.
  if (event.key === "Enter") return cells[cells.indexOf(event.target) + 1];
  if (!(event.key in STEPS)) return undefined;
  const [down, right] = STEPS[event.key];
  return cellAt(grid, row + down, column + right); // null outside
}
