// The unit of a column under the pointer, and where keys move.

import { cellOf, unitIn } from "./column.js";
import { sizeOf } from "./shapes.js";

export function firstUnit(column) {
  return unitIn(column, 0, 0, 0);
}

export function unitUnder(column, event) {
  for (const [box, element] of column.boxes.entries()) {
    if (!element.contains(event.target)) continue;
    const area = element.getBoundingClientRect();
    const row = Math.floor(((event.clientY - area.y) / area.height) * column.rows);
    const c = Math.floor(((event.clientX - area.x) / area.width) * column.columns);
    if (row < 0 || c < 0 || row >= column.rows || c >= column.columns) return null;
    return unitIn(column, box, row, c);
  }
  return null;
}

// The unit that a key moves to, the same one at an edge, or null for other keys.
export function moved(column, unit, key) {
  const spot = cellOf(column, unit);
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (key in steps) {
    const row = spot.row + steps[key][0];
    const c = spot.column + steps[key][1];
    if (row < 0 || c < 0 || row >= column.rows || c >= column.columns) return unit;
    return unitIn(column, spot.box, row, c) ?? unit;
  }
  const last = sizeOf(column.shape) - 1;
  if (key === "Home") return firstUnit(column);
  if (key === "End") return unitIn(column, column.form === "maps" ? column.boxes.length - 1 : 0,
    column.form === "strip" ? Math.floor(last / column.columns) : column.rows - 1,
    column.form === "strip" ? last % column.columns : column.columns - 1);
  const page = { PageUp: -1, PageDown: 1 }[key];
  if (page === undefined) return null;
  if (column.form === "strip") return Math.max(0, Math.min(last, unit + page * 16 * column.columns));
  if (column.form === "bars") return unitIn(column, 0, Math.max(0, Math.min(column.rows - 1, spot.row + page * 16)), 0);
  const box = Math.max(0, Math.min(column.boxes.length - 1, spot.box + page));
  return unitIn(column, box, spot.row, spot.column);
}

// Scroll a strip to make the unit visible.
export function keepInSight(column, unit) {
  if (column.form === "maps") return;
  const at = (cellOf(column, unit).row / column.rows) * column.boxes[0].offsetHeight;
  const { scrollTop, clientHeight } = column.cells;
  if (at < scrollTop || at > scrollTop + clientHeight - 24) column.cells.scrollTop = at - clientHeight / 2;
}
