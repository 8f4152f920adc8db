// The whole network, one column per layer. Pointing at a unit, or moving to it with the arrow keys,
// marks its inputs; a click or Enter selects it.

import {
  boxCount, cellOf, drawBoxes, drawHead, drawLegend, fillColumn, makeColumn, unitIn,
} from "./column.js";
import { rangeOf } from "./colour.js";
import { numeral, written } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { drawEdges } from "./edges.js";
import { fieldMark, fieldSentence } from "./field_view.js";
import { receptiveFields } from "./receptive_field.js";
import { change, state } from "./state.js";
import { placeOf, sizeOf } from "./shapes.js";
import { sourcesByInput } from "./terms.js";
import { viewWords } from "./view_words.js";
import { fillIn, words } from "./words.js";

const MAPS_AT_ONCE = 2000;

// Build the overview in an empty element. Returns {draw, follow, focus}: `draw` updates everything from
// the state, `follow` only the selection, and `focus` moves to the column of the selected unit.
export function makeOverview(root, readout) {
  const columns = Array.from({ length: state.network.layers.length + 1 }, (_, i) => makeColumn(state.network, i));
  const stale = new Set(columns); // columns whose numbers are not drawn
  const near = new Set(columnsAtOnce(columns)); // columns that are drawn at once
  const svg = makeSvg("svg", { class: "over", "aria-hidden": "true" });
  const frame = make("div", { class: "frame" }, columns.map((column) => column.element), svg);
  root.append(frame);
  let pointed = null; // {index, unit} under the pointer or the arrow keys
  let ranges = null;
  let inSight = null; // layer last scrolled to

  const cursor = () => pointed ?? (state.selected && { index: state.selected.layer + 1, unit: state.selected.unit });

  function point(next) {
    const last = pointed;
    pointed = next;
    for (const spot of [last, next]) {
      if (spot) drawLegend(columns[spot.index], state, ranges, next === spot ? spot.unit : null);
    }
    mark();
  }

  function mark() {
    const spot = cursor();
    svg.replaceChildren();
    readout.replaceChildren(...describe(spot));
    if (!spot) return;
    const read = spot.index > 0 ? state.network.layers[spot.index - 1].inputs : [];
    for (const index of [spot.index, ...read]) reveal(columns[index]);
    svg.setAttribute("width", frame.offsetWidth);
    svg.setAttribute("height", frame.offsetHeight);
    if (spot.index > 0) drawEdges(svg, frame, columns, columns[spot.index], spot.unit);
    if (spot.index > 0 && columns[0].picture) markField(spot);
  }

  // The receptive field of the unit, over the picture.
  function markField(spot) {
    const picture = columns[0].picture.getBoundingClientRect();
    const origin = frame.getBoundingClientRect();
    svg.append(fieldMark(fieldOf(spot), state.network.input.shape, {
      x: picture.x - origin.x, y: picture.y - origin.y, width: picture.width, height: picture.height }));
  }

  // Draw the numbers of a column unless they are drawn.
  function reveal(column) {
    if (!stale.delete(column)) return;
    fillColumn(column, state.network);
    drawBoxes(column, state, ranges);
  }

  function draw() {
    const layers = state.outputs.map((output) => rangeOf(output));
    ranges = { layers, global: Math.max(...layers) };
    for (const column of columns) {
      stale.add(column);
      const here = pointed?.index === column.index ? pointed.unit : null;
      if (near.has(column)) reveal(column);
      drawHead(column, state, ranges, here);
      column.cells.setAttribute("aria-label", nameOf(column.index));
    }
    mark();
    const layer = state.selected?.layer ?? null;
    if (layer !== null && layer !== inSight) showColumns(layer);
    inSight = layer;
  }

  // Mark the selection, and scroll to it if its column is out of sight.
  function follow() {
    mark();
    const chosen = state.selected && columns[state.selected.layer + 1].element;
    if (!chosen) return;
    const outside = chosen.offsetLeft + chosen.offsetWidth <= root.scrollLeft ||
      chosen.offsetLeft >= root.scrollLeft + root.clientWidth;
    if (outside) root.scrollLeft = Math.max(0, chosen.offsetLeft - 40);
  }

  // Scroll to the layer in the address and to the nearest of its inputs.
  function showColumns(layer) {
    const nearest = Math.max(...state.network.layers[layer].inputs);
    const [left, right] = [columns[nearest].element, columns[layer + 1].element];
    const end = right.offsetLeft + right.offsetWidth - root.clientWidth;
    if (end > root.scrollLeft) root.scrollLeft = Math.min(end + 40, left.offsetLeft);
  }

  for (const column of columns) {
    column.cells.addEventListener("scroll", mark);
    column.cells.addEventListener("pointermove", (event) => {
      const unit = unitUnder(column, event);
      if (unit !== null && !(pointed?.index === column.index && pointed.unit === unit)) point({ index: column.index, unit });
    });
    column.cells.addEventListener("pointerleave", () => point(null));
    column.cells.addEventListener("click", (event) => {
      const unit = unitUnder(column, event);
      if (unit !== null) select({ index: column.index, unit });
    });
    column.cells.addEventListener("focus", () => {
      if (!column.cells.matches(":focus-visible")) return;
      const chosen = state.selected?.layer === column.index - 1 ? state.selected.unit : (column.last ?? 0);
      go(column, chosen);
    });
    column.cells.addEventListener("blur", () => point(null));
    column.cells.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const here = pointed?.index === column.index ? pointed.unit : (column.last ?? 0);
      if (event.key === "Enter") select({ index: column.index, unit: here });
      else if (event.key === "Escape") change({ selected: null });
      else {
        const next = moved(column, here, event.key);
        if (next === null) return;
        go(column, next);
      }
      event.preventDefault();
    });
  }

  function go(column, unit) {
    column.last = unit;
    point({ index: column.index, unit });
    keepInSight(column, unit);
    state.announce(sentence(column.index, unit));
  }

  function select({ index, unit }) {
    columns[index].last = unit;
    if (index > 0) change({ selected: { layer: index - 1, unit } });
  }

  function focus() {
    if (state.selected) columns[state.selected.layer + 1].cells.focus();
  }

  const sight = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      const column = columns.find(({ element }) => element === target);
      if (!isIntersecting) near.delete(column);
      else near.add(column);
      if (isIntersecting && ranges) reveal(column);
    }
  }, { root, rootMargin: "0px 1000px" });
  for (const column of columns) if (!near.has(column)) sight.observe(column.element);
  new ResizeObserver(mark).observe(root);
  return { draw, follow, focus };
}

// The first columns, up to a number of maps, and all vectors; other maps are drawn when they come
// into sight.
function columnsAtOnce(columns) {
  let boxes = 0;
  return columns.filter((column) => (boxes += boxCount(column)) <= MAPS_AT_ONCE || column.form !== "maps");
}

function fieldOf({ index, unit }) {
  return receptiveFields(state.network.layers, index - 1, unit)[0];
}

// "conv2d, channel 3, row 4, column 5"
export function unitName(index, unit) {
  const w = words(state.language);
  const shape = index === 0 ? state.network.input.shape : state.network.layers[index - 1].out;
  if (shape.length !== 3) {
    const name = sizeOf(shape) === state.network.classes.length && index > 0 ? ` (${state.network.classes[unit]})` : "";
    return `${nameOf(index)}, ${w.unit} ${unit}${name}`;
  }
  const { row, column, channel } = placeOf(shape, unit);
  return `${nameOf(index)}, ${w.channel} ${channel}, ${w.row} ${row}, ${w.column} ${column}`;
}

function nameOf(index) {
  return index === 0 ? words(state.language).input : state.network.layers[index - 1].name;
}

function sentence(index, unit) {
  const value = `${unitName(index, unit)}: ${written(state.outputs[index][unit], state.exact)}`;
  if (index === 0) return value;
  const field = fieldSentence(fieldOf({ index, unit }), state.network.input.shape, state.language);
  return `${value}. ${viewWords[state.language].fieldTitle}: ${field}`;
}

function describe(spot) {
  const w = words(state.language);
  if (!spot) return [w.hint_short];
  const { index, unit } = spot;
  const parts = [make("b", {}, unitName(index, unit)), " ", numeral(state.outputs[index][unit], state.exact)];
  if (index > 0) {
    const { inputs } = state.network.layers[index - 1];
    const read = sourcesByInput(state.network.layers[index - 1], unit).flatMap(({ length }, k) => {
      const gaps = { count: length.toLocaleString("en"), layer: nameOf(inputs[k]) };
      return length > 0 ? [fillIn(length === 1 ? w.reads_one : w.reads, gaps)] : [];
    });
    parts.push(make("span", { class: "soft" }, ` · ${[...read, fieldSize(spot)].join(" · ")}`));
  }
  return parts;
}

function fieldSize(spot) {
  const { rows, columns } = fieldOf(spot);
  const text = viewWords[state.language];
  const length = (axis) => (axis.length === 0 ? 0 : axis.at(-1) - axis[0] + 1);
  return fillIn(text.fieldShort, { high: length(rows), wide: length(columns) });
}

function unitUnder(column, event) {
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
function moved(column, unit, key) {
  const spot = cellOf(column, unit);
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (key in steps) {
    const row = spot.row + steps[key][0];
    const c = spot.column + steps[key][1];
    if (row < 0 || c < 0 || row >= column.rows || c >= column.columns) return unit;
    return unitIn(column, spot.box, row, c) ?? unit;
  }
  const last = sizeOf(column.shape) - 1;
  if (key === "Home") return 0;
  if (key === "End") return last;
  const page = { PageUp: -1, PageDown: 1 }[key];
  if (page === undefined) return null;
  if (column.form !== "maps") return Math.max(0, Math.min(last, unit + page * 16 * column.columns));
  const box = Math.max(0, Math.min(boxCount(column) - 1, spot.box + page));
  return unitIn(column, box, spot.row, spot.column);
}

// Scroll a strip to make the unit visible.
function keepInSight(column, unit) {
  if (column.form === "maps") return;
  const at = (cellOf(column, unit).row / column.rows) * column.boxes[0].offsetHeight;
  const { scrollTop, clientHeight } = column.cells;
  if (at < scrollTop || at > scrollTop + clientHeight - 24) column.cells.scrollTop = at - clientHeight / 2;
}
