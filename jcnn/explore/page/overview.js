// The whole network, one column per layer. Pointing at a unit, or moving to it with the arrow keys,
// marks its inputs; a click or Enter selects it.

import { showBadge } from "./badge.js";
import { drawBoxes, drawHead, drawLegend, fillColumn, hasBox, makeColumn, sizeColumn } from "./column.js";
import { rangeOf } from "./colour.js";
import { make, makeSvg } from "./dom.js";
import { drawEdges } from "./edges.js";
import { fieldMark } from "./field_view.js";
import { layoutOf, mapsDown, openedWidth } from "./layout.js";
import { appear, glide } from "./motion.js";
import { firstUnit, keepInSight, moved, unitUnder } from "./overview_keys.js";
import { fillColumns } from "./pass_view.js";
import { drawRest } from "./rest_edges.js";
import { placeOf } from "./shapes.js";
import { stageByOutput, stagesOf } from "./stages.js";
import { change, state } from "./state.js";
import { fieldOf, nameOf, unitParts, unitSentence } from "./unit_words.js";

const LEAST_HIGH = 200; // pixels of maps below each other
const BELOW = 34; // pixels for what is below the maps: the number of channels, arcs of skip connections

// Build the overview in an empty element. The selected unit is opened in `panel`, between its column and
// those before it. Returns {draw, fill, follow, mark, check, focus, layersBeside}: `draw` updates everything
// from the state, `follow` only the selection, and `mark` the lines, once the panel is filled; `fill` shows a
// pass under way; `focus` moves to the column of the selected unit, and `layersBeside` are those that share its column.
export function makeOverview(root, readout, panel) {
  const under = makeSvg("svg", { class: "under", "aria-hidden": "true" });
  const over = makeSvg("svg", { class: "over", "aria-hidden": "true" });
  const frame = make("div", { class: "frame" });
  const slot = make("div", { class: "slot", hidden: true }, panel);
  root.append(frame);
  let stages = [];
  let shown = []; // the columns, from left to right
  let columns = []; // the column that draws each output
  let made = { split: null, network: null }; // for which `shown` was made
  let pointed = null; // {index, unit} under the pointer or the arrow keys
  let ranges = null;
  let inSight = null; // layer last scrolled to
  let arranged = null; // what the arrangement was made for
  let places = null; // of the boxes in the last arrangement, if they have to move

  const cursor = () => pointed ?? (state.selected && { index: state.selected.layer + 1, unit: state.selected.unit });

  function arrange() {
    if (made.split === state.split && made.network === state.network) return;
    const { split } = (made = { split: state.split, network: state.network });
    pointed = null;
    stages = stagesOf(state.network, split);
    shown = stages.map((stage) => makeColumn(state.network, stage, toggleAll));
    const by = stageByOutput(stages, state.network);
    columns = by.map((stage) => shown[stages.indexOf(stage)]);
    for (const column of shown) listenTo(column);
    frame.replaceChildren(under, ...shown.map((column) => column.element), over, slot);
  }

  const openedColumn = () => state.selected && columns[state.selected.layer + 1];

  // The height of the columns: what is left of the window, or of a page of that size on a phone.
  function place() {
    const opened = openedColumn();
    const whole = root.clientWidth - 2 * parseFloat(getComputedStyle(root).paddingLeft);
    const aside = opened ? openedWidth(whole, innerHeight, shown.length, state.lecture) : 0;
    if (aside > 0) for (const column of shown) column.all = false;
    const sizesFor = (height) => layoutOf(
      shown.map((column) => ({ form: column.form, count: mapsBelow(column) })), whole, aside, height);
    const { wide } = sizesFor(innerHeight); // it decides on the heads, whose height is measured then
    frame.classList.toggle("narrow", wide < 104);
    frame.classList.toggle("slim", wide < 62);
    frame.classList.toggle("tiny", wide < 30);
    placeSlot(opened, aside);
    const top = frame.getBoundingClientRect().top + scrollY;
    const rest = shown[0].element.offsetHeight - shown[0].cells.parentElement.offsetHeight;
    const bottom = Math.min(innerHeight - parseFloat(getComputedStyle(document.body).paddingBottom), 1100);
    const height = Math.max(LEAST_HIGH, bottom - top - rest - BELOW);
    for (const column of shown) {
      const unit = column === opened ? state.selected.unit : null;
      const channel = unit !== null && column.form === "maps" ? placeOf(column.shape, unit).channel : unit;
      fillColumn(column, state, mapsDown(height), channel);
    }
    const sizes = sizesFor(height);
    const tracks = shown.map((column) => column.all && column.form === "maps" ? "max-content"
      : `${column.form === "bars" ? sizes.scores : sizes.wide}px`);
    if (aside > 0) tracks.splice(shown.indexOf(opened), 0, `${aside}px`);
    frame.style.gridTemplateColumns = tracks.join(" ");
    for (const column of shown) sizeColumn(column, sizes, height);
  }

  // The panel stands to the left of the opened column, or, in a narrow window, over its lower part.
  function placeSlot(opened, aside) {
    slot.hidden = !opened;
    slot.classList.toggle("between", aside > 0);
    const at = shown.indexOf(opened);
    shown.forEach((column, i) => { column.element.style.gridColumn = i + (aside > 0 && i >= at ? 2 : 1); });
    slot.style.gridColumn = at + 1;
  }

  // What the arrangement depends on.
  function arrangement() {
    const all = shown.flatMap((column, i) => (column.all ? [i] : []));
    return [state.split, shown.indexOf(openedColumn()), all.join()].join("/");
  }

  // Remember where the boxes are if another arrangement comes.
  function leave() {
    if (arranged !== null && arrangement() !== arranged) {
      places = new Map(shown.flatMap((column) => boxesByKey(column).map(([key, box]) => [key, box.getBoundingClientRect()])));
      pointed = null; // something else is under the pointer now
    }
  }

  // The badge of each column: the largest difference of its layers.
  function showResults(results) {
    for (const column of shown) {
      const own = column.stage.layers.map((i) => results[i]).filter((result) => result !== null);
      const worst = own.length === 0 ? null : own.reduce((a, b) => (b.difference > a.difference ? b : a));
      if (column.layer) showBadge(column.badge, worst && { ...worst, ok: own.every(({ ok }) => ok) }, state);
    }
  }

  function toggleAll(column) {
    column.all = !column.all;
    draw();
    mark();
  }

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
    over.replaceChildren();
    readout.replaceChildren(...unitParts(spot));
    frame.classList.toggle("pointed", spot !== null);
    if (spot) markUnit(spot);
    move();
  }

  function markUnit(spot) {
    over.setAttribute("width", frame.offsetWidth);
    over.setAttribute("height", frame.offsetHeight);
    const column = columns[spot.index];
    const isOpened = slot.classList.contains("between") && column === openedColumn() && spot.unit === state.selected.unit;
    if (spot.index > 0 && hasBox(column, spot.unit)) {
      drawEdges(over, frame, columns, column, spot.unit, readerOf(spot), isOpened ? slot : null);
    }
    if (spot.index > 0 && shown[0].form === "maps") markField(spot);
  }

  // Let the boxes glide to a new arrangement, and the maps of the panel come out of their columns.
  function move() {
    if (places === null) return;
    const moves = shown.flatMap((column) => boxesByKey(column).map(([key, box]) => [box, places.get(key)]));
    for (const map of slot.hidden ? [] : panel.querySelectorAll("[data-source]")) {
      const [output, channel] = map.dataset.source.split("-");
      moves.push([map, places.get(`${columns[output].index}-${channel}`)]);
    }
    places = null;
    for (const one of slot.hidden ? [under, over] : [under, over, slot]) appear(one);
    glide(moves.filter(([, from]) => from), mark);
  }

  // The layer whose inputs are marked for a unit: the first of a column that draws several.
  function readerOf({ index }) {
    const column = columns[index];
    return state.network.layers[column.index === index ? column.opens : index - 1];
  }

  // The receptive field of the unit, over the picture.
  function markField(spot) {
    const picture = (shown[0].picture ?? shown[0].boxes[0]).getBoundingClientRect();
    const origin = frame.getBoundingClientRect();
    over.append(fieldMark(fieldOf(spot), state.network.input.shape, {
      x: picture.x - origin.x, y: picture.y - origin.y, width: picture.width, height: picture.height }));
  }

  function draw() {
    leave();
    arrange();
    const layers = state.outputs.map((output) => rangeOf(output));
    ranges = { layers, global: Math.max(...layers) };
    for (const column of shown) {
      drawHead(column, state, ranges, pointed?.index === column.index ? pointed.unit : null);
      column.cells.setAttribute("aria-label", nameOf(column.index));
    }
    place();
    arranged = arrangement();
    for (const column of shown) drawBoxes(column, state, ranges);
    under.setAttribute("width", frame.offsetWidth);
    under.setAttribute("height", frame.offsetHeight);
    drawRest(under, frame, stages, columns, state);
    const layer = state.selected?.layer ?? null;
    if (layer !== null && layer !== inSight) showColumns(layer);
    inSight = layer;
  }

  // Make the selection visible: open its column, and scroll to it if it is out of sight.
  function follow() {
    const column = openedColumn();
    if (arrangement() !== arranged || (column && !hasBox(column, state.selected.unit))) draw();
    const chosen = column?.element;
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

  function listenTo(column) {
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
      const chosen = column.stage.layers.includes(state.selected?.layer) ? state.selected.unit : (column.last ?? firstUnit(column));
      go(column, chosen);
    });
    column.cells.addEventListener("blur", () => point(null));
    column.cells.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const here = pointed?.index === column.index ? pointed.unit : (column.last ?? firstUnit(column));
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
    state.announce(unitSentence(column.index, unit));
  }

  function select({ index, unit }) {
    columns[index].last = unit;
    if (index > 0) change({ selected: { layer: columns[index].opens, unit } });
  }

  function focus() {
    if (state.selected) columns[state.selected.layer + 1].cells.focus();
  }

  // Draw again if the window has another width, or what is above the network another height.
  let size = null;
  const observer = new ResizeObserver(() => {
    const next = `${root.clientWidth}/${root.getBoundingClientRect().top + scrollY}`;
    if (ranges && next !== size) {
      draw();
      mark();
    }
    size = next;
  });
  for (const one of [root, document.body.querySelector("header")]) if (one) observer.observe(one);

  // On a phone, the panel of an address would lie over a network that begins below.
  function showNetwork() {
    if (!slot.hidden && !slot.classList.contains("between")) root.scrollIntoView({ block: "start" });
  }

  const layersBeside = () => openedColumn().stage.layers;
  const fill = (pass) => fillColumns(shown, pass);
  return { draw, fill, follow, mark, focus, check: showResults, layersBeside, showNetwork };
}

// The boxes of a column with what is in them: "output-channel", or their place.
function boxesByKey({ index, boxes, channels, picture }) {
  const pairs = boxes.map((box, k) => [`${index}-${channels ? channels[k] : `box ${k}`}`, box]);
  return picture ? [...pairs, [`${index}-picture`, picture]] : pairs;
}

// The number of maps that are one below the other.
function mapsBelow({ form, boxes, all }) {
  return form === "maps" && !all ? boxes.length : 1;
}
