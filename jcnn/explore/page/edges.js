// Mark the inputs of a unit in their columns, and draw lines from there to the unit (SVG).

import { cellOf } from "./column.js";
import { makeSvg } from "./dom.js";
import { sourcesByInput } from "./terms.js";

// Draw the marks and edges of a unit of the column `after` into `svg`, which covers `frame`; `columns`
// are those of all outputs. `reader` is the layer whose inputs are marked. Where the unit is opened in
// `panel`, the lines lead to it, to the map of their channel if it has one, and from it to the unit.
export function drawEdges(svg, frame, columns, after, unit, reader, panel = null) {
  const origin = frame.getBoundingClientRect();
  const target = boxOf(after, unit, origin);
  const between = after.element.previousElementSibling;
  const ends = panel && endsIn(panel, columns, origin);
  const groups = sourcesByInput(reader, unit).flatMap((sources, k) => {
    const before = columns[reader.inputs[k]];
    if (before === after) return []; // drawn in the same column
    const key = (box) => `${before.index}-${before.channels?.[box]}`;
    const end = (box) => ends?.get(key(box)) ?? ends?.get("panel") ?? target;
    const fans = ends && ends.size > 1 && before.channels;
    const leads = (box) => !fans || ends.has(key(box));
    return edgesFrom(before, sources, { end, leads }, origin, `seen-${k}`, !panel && before.element !== between);
  });
  if (panel) groups.push(makeSvg("g", { class: "edges" }, edge(shifted(panel.firstChild.getBoundingClientRect(), origin), target, null, false)));
  svg.replaceChildren(...groups, makeSvg("rect", { class: "target", ...target, rx: 1.5, "data-unit": unit }));
}

// Where lines end at a panel: a Map from "output-channel", of the output that a column draws, to a
// rectangle beside the map of that channel, and "panel" to that of the panel.
function endsIn(panel, columns, origin) {
  const whole = shifted(panel.firstChild.getBoundingClientRect(), origin);
  const ends = new Map([["panel", whole]]);
  for (const map of panel.querySelectorAll("[data-source]")) {
    const [output, channel] = map.dataset.source.split("-");
    ends.set(`${columns[output].index}-${channel}`, { ...shifted(map.getBoundingClientRect(), origin), x: whole.x });
  }
  return ends;
}

// The marks in one column, and their edges: `leads(box)` is whether there is one, and `end(box)` the
// rectangle where it ends; `skips` is whether other columns lie between.
function edgesFrom(before, sources, { end, leads }, origin, id, skips) {
  const marks = rectangles(before, sources);
  const view = shifted(before.cells.getBoundingClientRect(), origin);
  const lines = [];
  const areas = [];
  for (const [box, list] of marks) {
    const map = shifted(before.boxes[box].getBoundingClientRect(), origin);
    const drawn = list.map((mark) => ({ mark, area: areaOf(before, map, mark) }));
    for (const { mark, area } of drawn) {
      areas.push(makeSvg("rect", {
        class: "source", "data-layer": before.index - 1, x: area.x, y: area.y, width: area.width, height: area.height, rx: 1.5,
        "data-box": box, "data-row": mark.row, "data-column": mark.column,
        "data-height": mark.height, "data-width": mark.width,
      }));
    }
    if (leads(box)) lines.push(edge(union(drawn.map(({ area }) => area)), end(box), view, skips));
  }
  // Cells scrolled out of a strip are not drawn.
  const clip = makeSvg("clipPath", { id }, makeSvg("rect", {
    x: view.x - 3, y: view.y - 3, width: view.width + 6, height: view.height + 6 }));
  return [clip, makeSvg("g", { class: lines.length > 6 ? "edges many" : "edges" }, lines),
    makeSvg("g", { "clip-path": before.form === "maps" ? null : `url(#${id})` }, areas)];
}

// The rectangle of a unit in the frame, with a visible minimum size.
export function boxOf(column, unit, origin) {
  const { box, row, column: c } = cellOf(column, unit);
  const map = shifted(column.boxes[box].getBoundingClientRect(), origin);
  return areaOf(column, map, { row, column: c, height: 1, width: 1 });
}

// Cover cells with few rectangles: a Map from box to [{row, column, height, width}], which contain
// exactly the sources.
export function rectangles(column, units) {
  const rowsOf = new Map();
  for (const unit of units) {
    const { box, row, column: c } = cellOf(column, unit);
    if (box < 0 || row < 0) continue; // its channel is not shown
    if (!rowsOf.has(box)) rowsOf.set(box, new Map());
    const rows = rowsOf.get(box);
    if (!rows.has(row)) rows.set(row, []);
    rows.get(row).push(c);
  }
  const found = new Map();
  for (const [box, rows] of rowsOf) found.set(box, merged(rows));
  return found;
}

function merged(rows) {
  const done = [];
  const open = new Map(); // "column:width" -> the rectangle that the next row may extend
  for (const row of [...rows.keys()].sort((a, b) => a - b)) {
    for (const run of runs(rows.get(row).sort((a, b) => a - b))) {
      const key = `${run.column}:${run.width}`;
      const above = open.get(key);
      if (above && above.row + above.height === row) above.height++;
      else {
        const rectangle = { row, column: run.column, height: 1, width: run.width };
        open.set(key, rectangle);
        done.push(rectangle);
      }
    }
  }
  return done;
}

function runs(columns) {
  const found = [];
  for (const c of columns) {
    const last = found.at(-1);
    if (last && last.column + last.width === c) last.width++;
    else found.push({ column: c, width: 1 });
  }
  return found;
}

function areaOf(column, map, { row, column: c, height, width }) {
  const [across, down] = [map.width / column.columns, map.height / column.rows];
  const area = { x: map.x + c * across, y: map.y + row * down, width: width * across, height: height * down };
  const least = 4;
  for (const [start, length] of [["x", "width"], ["y", "height"]]) {
    if (area[length] < least) {
      area[start] -= (least - area[length]) / 2;
      area[length] = least;
    }
  }
  return area;
}

// A line from the marked area, or from the nearest edge of what is visible, `view`; it is bent around
// the units in between.
function edge(area, target, view, skips) {
  const x1 = area.x + area.width;
  const middle = area.y + area.height / 2;
  const y1 = view ? Math.max(view.y, Math.min(view.y + view.height, middle)) : middle;
  const [x2, y2] = [target.x, target.y + target.height / 2];
  const bend = skips ? Math.min(60, (x2 - x1) / 2) : Math.max(12, (x2 - x1) / 2);
  const down = skips ? 45 : 0;
  return makeSvg("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1 + down} ${x2 - bend} ${y2 + down} ${x2} ${y2}` });
}

function union(areas) {
  const x = Math.min(...areas.map((a) => a.x));
  const y = Math.min(...areas.map((a) => a.y));
  const right = Math.max(...areas.map((a) => a.x + a.width));
  const bottom = Math.max(...areas.map((a) => a.y + a.height));
  return { x, y, width: right - x, height: bottom - y };
}

function shifted(rect, origin) {
  return { x: rect.x - origin.x, y: rect.y - origin.y, width: rect.width, height: rect.height };
}
