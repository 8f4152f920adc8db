// "What matters": the drop in the probability of a class for every position of a patch.

import { numeral, setNumeral, written } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { EQUALS, equation } from "./equation.js";
import { continueRun, dropAt, firstOcclusion, makeRun, occluded } from "./occlusion.js";
import { drawDrops, drawOverLegend } from "./occlusion_map.js";
import { drawPicture } from "./pictures.js";
import { fillPanel, numberField, selectField, viewTable } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { classField, classOf, indexOfLargest } from "./why_class.js";
import { fillIn } from "./words.js";

// Rebuild `panel` and compute the missing positions. Settings and results are in `state.occlusion`:
// `at` is a position, null for the largest drop;
// `turn` identifies the running loop, so that a new one ends the one before.
export function showOcclusion(panel, state) {
  const { network, outputs } = state;
  state.occlusion ??= { ...firstOcclusion(network.input.shape), at: null, run: null, stopped: false };
  const chosen = state.occlusion;
  if (chosen.run?.whole !== outputs.at(-1)) forgetRun(chosen);
  chosen.run ??= makeRun(network, outputs, chosen);
  const text = viewWords[state.language];
  const view = { panel, state, chosen, text, run: chosen.run, ...occlusionParts(text, network.input.shape) };
  listenOnMap(view);
  fillPanel(panel,
    make("h2", {}, text.occTitle),
    make("p", { class: "occ-intro" }, text.occIntro),
    make("p", { class: "occ-intro" }, text.occDefinition),
    occlusionChoices(view),
    make("div", { class: "occ-progress" }, view.button, view.progress, view.count),
    make("div", { class: "view-columns occ-pictures" },
      make("figure", {}, view.map, make("figcaption", {}, text.occMap),
        make("div", { class: "legend occ-legend" }, view.legend, view.scale, make("p", {}, text.occLegend))),
      make("figure", {}, view.patched, make("figcaption", {}, text.occPatched)),
      make("div", { class: "occ-result" }, view.result, make("p", { class: "view-note" }, text.occHint))),
    makeTable(view));
  drawOverLegend(view.legend, -1);
  refreshOcclusion(view);
  if (!isRunFinished(view) && !chosen.stopped) computeDrops(view);
}

// The results are for other settings or another picture.
function forgetRun(chosen) {
  Object.assign(chosen, { run: null, at: null, stopped: false });
}

async function computeDrops(view) {
  const { panel, state, chosen, run } = view;
  const turn = (chosen.turn = {});
  const going = () => chosen.turn === turn && !chosen.stopped && state.view === "occlusion" &&
    panel.contains(view.map) && run.whole === state.outputs.at(-1);
  await continueRun(run, going, () => refreshOcclusion(view));
  if (!going() || !isRunFinished(view)) return;
  const position = shownPosition(view);
  state.announce(`${fillIn(view.text.occDone, { all: run.grid.positions.length })} ${sentenceAt(view, position)}`);
}

const isRunFinished = ({ run }) => run.probabilities.length === run.grid.positions.length;

const targetClass = ({ state }) => classOf(state);

function dropsOf(view) {
  return view.run.probabilities.map((_, i) => dropAt(view.run, i, targetClass(view)));
}

function shownPosition(view) {
  return view.chosen.at ?? indexOfLargest(dropsOf(view));
}

// --- settings -------------------------------------------------------------------------------------

function occlusionChoices(view) {
  const { chosen, text, state, run } = view;
  const [height, width] = state.network.input.shape;
  const choose = (patch) => {
    Object.assign(chosen, patch);
    chosen.step = Math.min(chosen.step, chosen.side);
    forgetRun(chosen);
    showOcclusion(view.panel, state);
  };
  return make("div", { class: "view-controls occ-choices" },
    classField(state, () => {
      chosen.at = null;
      refreshOcclusion(view);
    }),
    numberField(text.occSide, "side", chosen.side, Math.min(height, width), (side) => choose({ side }), 1),
    numberField(text.occStep, "step", chosen.step, chosen.side, (step) => choose({ step }), 1),
    selectField(text.occGrey, "fill", [["mean", text.occMean], ["zero", text.occZero]], chosen.fill, (fill) => choose({ fill })),
    make("span", { class: "soft" }, "(", numeral(run.grey, state.exact), ")"));
}

// --- the map --------------------------------------------------------------------------------------

function occlusionParts(text, [height, width]) {
  const sized = { style: { aspectRatio: `${width} / ${height}` } };
  const [drops, patched] = [make("canvas"), make("canvas", { role: "img", "aria-label": text.occPatched })];
  const spot = makeSvg("path", { class: "occ-spot" });
  const svg = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, spot);
  return {
    drops, spot, picture: patched,
    map: make("div", { class: "map-frame occ-map", tabindex: 0, role: "application", "data-key": "map",
      "aria-label": `${text.occMap}. ${text.occHint}`, ...sized }, drops, svg),
    patched: make("div", { class: "map-frame", ...sized }, patched),
    legend: make("canvas"),
    scale: make("p", { class: "scale" }, make("span"), make("span"), make("span")),
    button: make("button", { type: "button", "data-key": "go" }),
    progress: make("progress"),
    count: make("span", { class: "soft" }),
    result: make("div"),
    table: make("div"),
  };
}

function listenOnMap(view) {
  const { map, chosen, run, button } = view;
  const { rows, columns, step } = run.grid;
  const [height, width] = run.shape;
  const follow = (event) => {
    const area = map.getBoundingClientRect();
    const row = Math.floor((((event.clientY - area.y) / area.height) * height) / step);
    const column = Math.floor((((event.clientX - area.x) / area.width) * width) / step);
    if (row >= 0 && column >= 0 && row < rows && column < columns) goToPosition(view, row * columns + column);
  };
  map.addEventListener("pointermove", follow);
  map.addEventListener("click", follow);
  map.addEventListener("keydown", (event) => {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if ((!way && event.key !== "Escape") || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const here = shownPosition(view);
    const row = Math.floor(here / columns) + (way?.[0] ?? 0);
    const column = (here % columns) + (way?.[1] ?? 0);
    const inside = row >= 0 && column >= 0 && row < rows && column < columns;
    goToPosition(view, way ? (inside ? row * columns + column : here) : null);
    view.state.announce(sentenceAt(view, shownPosition(view)));
  });
  button.addEventListener("click", () => {
    if (isRunFinished(view)) return;
    chosen.stopped = !chosen.stopped;
    refreshOcclusion(view);
    if (!chosen.stopped) computeDrops(view);
  });
}

function goToPosition(view, position) {
  if (view.chosen.at === position) return;
  view.chosen.at = position;
  showPosition(view);
}

// --- results --------------------------------------------------------------------------------------

function refreshOcclusion(view) {
  const { run, text, chosen } = view;
  const drops = dropsOf(view);
  const range = drops.reduce((largest, drop) => Math.max(largest, Math.abs(drop)), 0);
  drawDrops(view.drops, run, targetClass(view), range);
  [-range, 0, range].forEach((value, i) => setNumeral(view.scale.children[i], value || 0, false));
  const [done, all] = [run.probabilities.length, run.grid.positions.length];
  Object.assign(view.progress, { max: all, value: done });
  view.progress.setAttribute("aria-label", text.occTitle);
  view.count.textContent = fillIn(text.occProgress, { done, all });
  view.button.textContent = chosen.stopped ? text.occContinue : text.occStop;
  view.button.setAttribute("aria-disabled", String(done === all));
  fillTable(view);
  showPosition(view);
}

// The patch at the selected position, and its effect.
function showPosition(view) {
  const { run, text, state, chosen } = view;
  const target = targetClass(view);
  const place = shownPosition(view);
  const position = run.grid.positions[place];
  const { top, bottom, left, right } = position;
  view.spot.setAttribute("d", `M${left} ${top}H${right}V${bottom}H${left}z`);
  drawPicture(view.picture, occluded(run.x, run.shape, position, run.grey), run.shape);
  const probabilities = run.probabilities[place];
  const name = (i) => state.network.classes[i] ?? String(i);
  view.result.dataset.position = String(place);
  view.result.replaceChildren(
    make("p", {}, placeText(view, place), chosen.at === null && probabilities ? ` (${text.occLargest})` : ""),
    ...(probabilities === undefined ? [make("p", { class: "soft" }, text.occMissing)] : [
      make("p", { class: "formula" }, `p(${name(target)} | ${text.occWhole}) − p(${name(target)} | ${text.occWith})`),
      equation(state, [run.whole[target], " − ", probabilities[target], EQUALS, dropAt(run, place, target)]),
      make("p", {}, `${text.occThen}: `, make("b", {}, name(indexOfLargest(probabilities))), " (",
        numeral(Math.max(...probabilities), state.exact), ")"),
    ]));
}

function placeText(view, place) {
  const { top, bottom, left, right } = view.run.grid.positions[place];
  return fillIn(view.text.occPlace, { top, bottom: bottom - 1, left, right: right - 1 });
}

function sentenceAt(view, place) {
  const { run, text, state } = view;
  if (!run.probabilities[place]) return `${placeText(view, place)}: ${text.occMissing}`;
  return `${placeText(view, place)}: ${text.occDrop} ${written(dropAt(run, place, targetClass(view)), state.exact)}`;
}

// The table of all values, an alternative to the colours; filled when opened.
function makeTable(view) {
  const { chosen, text, table } = view;
  const ontoggle = (event) => {
    chosen.open = event.target.open;
    fillTable(view);
  };
  return make("details", { class: "occ-all", open: Boolean(chosen.open), ontoggle },
    make("summary", { "data-key": "all" }, text.occTable), table);
}

function fillTable(view) {
  const { chosen, run, state, text } = view;
  if (!chosen.open) return;
  const { positions, columns } = run.grid;
  const drops = dropsOf(view);
  const ends = (first, last) => `${first}–${last - 1}`;
  const lines = Array.from({ length: run.grid.rows }, (_, row) => [
    ends(positions[row * columns].top, positions[row * columns].bottom),
    ...Array.from({ length: columns }, (_, column) => {
      const drop = drops[row * columns + column];
      return drop === undefined ? "" : numeral(drop, state.exact);
    }),
  ]);
  const heads = positions.slice(0, columns).map(({ left, right }) => ends(left, right));
  view.table.replaceChildren(viewTable([text.occRowsColumns, ...heads], lines));
}
