// The first trained layer as pictures of its weights, one of which is chosen.

import { drawMap, rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { sizeOf } from "./shapes.js";
import { selectField } from "./view_panel.js";
import { fillIn } from "./words.js";

const MOST_FILTERS = 32;

// The kernel as (rows, columns, channels, filters). That of a dense layer has the shape of the picture
// where it reads one, else a single row.
export function filterShape({ layers, input }, index) {
  const { kind, arrays: { kernel: { shape } }, in: ins } = layers[index];
  if (kind === "conv") return shape;
  const picture = sizeOf(input.shape) === ins[0] ? input.shape : [1, ins[0], 1];
  return [...picture, shape.at(-1)];
}

// The row, column, channel and filter of a weight, and back.
export function placeOfWeight([, columns, channels, filters], at) {
  const cell = Math.floor(at / (channels * filters));
  return { row: Math.floor(cell / columns), column: cell % columns, channel: Math.floor(at / filters) % channels, filter: at % filters };
}

function weightAt([, columns, channels, filters], { row, column, channel, filter }) {
  return ((row * columns + column) * channels + channel) * filters + filter;
}

// Elements for the filters, and `show()` that draws the weights of the last report; `watch(at)` is called
// with the weight that was chosen.
export function makeFilters(state, text, watch) {
  const { network, train: training } = state;
  const { layer: index } = training.watch;
  const shape = filterShape(network, index);
  const [rows, columns, channels, filters] = shape;
  const now = () => placeOfWeight(shape, training.watch.at);
  const choose = (patch) => {
    const place = { ...now(), ...patch };
    const inside = place.row >= 0 && place.row < rows && place.column >= 0 && place.column < columns &&
      place.filter >= 0 && place.filter < Math.min(filters, MOST_FILTERS);
    if (!inside) return;
    watch(weightAt(shape, place));
    show();
  };
  const count = Math.min(filters, MOST_FILTERS);
  const cells = Array.from({ length: count }, (_, filter) => {
    const onclick = (event) => {
      const area = canvas.getBoundingClientRect();
      choose({ filter, row: Math.floor(((event.clientY - area.y) / area.height) * rows),
        column: Math.floor(((event.clientX - area.x) / area.width) * columns) });
    };
    const canvas = make("canvas", { onclick });
    return make("span", { class: "map-frame", style: { aspectRatio: `${columns} / ${rows}` } }, canvas);
  });
  const box = make("span", { class: "map-box", style: { height: `${100 / rows}%`, width: `${100 / columns}%` } });
  const onkeydown = (event) => {
    const { row, column, filter } = now();
    const move = { ArrowUp: { row: row - 1 }, ArrowDown: { row: row + 1 }, ArrowLeft: { column: column - 1 },
      ArrowRight: { column: column + 1 }, PageUp: { filter: filter - 1 }, PageDown: { filter: filter + 1 } }[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    choose(move);
    state.announce(weightName(text, network, training.watch));
  };
  const dense = network.layers[index].kind === "dense";
  const title = fillIn(dense ? text.filtersDense : text.filtersTitle, { layer: network.layers[index].name });
  const grid = make("div", { class: "train-filters", tabindex: 0, role: "application", "data-key": "filters",
    "aria-label": `${title}. ${text.filtersHint}`, onkeydown }, cells);

  function show() {
    const { data } = network.layers[index].arrays.kernel;
    const kernel = training.report?.weights[index].kernel ?? data;
    const { row, column, channel, filter } = now();
    const range = rangeOf(kernel);
    cells.forEach((cell, f) => drawMap(cell.firstChild, kernel, channel * filters + f, channels * filters, rows, columns, range));
    Object.assign(box.style, { top: `${(100 * row) / rows}%`, left: `${(100 * column) / columns}%` });
    if (box.parentNode !== cells[filter]) cells[filter].append(box);
  }
  const options = Array.from({ length: channels }, (_, k) => [String(k), String(k)]);
  return {
    elements: [
      make("h3", {}, title, count < filters && make("span", { class: "soft" }, ` (${fillIn(text.filtersShown, { shown: count, all: filters })})`)),
      grid,
      channels > 1 && selectField(text.channel, "channel", options, String(now().channel), (k) => choose({ channel: Number(k) })),
      make("p", { class: "view-note" }, text.filtersHint),
    ],
    show,
  };
}

export function weightName(text, network, { layer, at }) {
  const shape = filterShape(network, layer);
  const dense = network.layers[layer].kind === "dense";
  return fillIn(dense ? text.placeUnit : shape[2] > 1 ? text.placeChannel : text.place, placeOfWeight(shape, at));
}

// The weight in the middle of the first filter: those of a corner often read nothing but black.
export function middleWeight(network, layer) {
  const shape = filterShape(network, layer);
  return weightAt(shape, { row: Math.floor(shape[0] / 2), column: Math.floor(shape[1] / 2), channel: 0, filter: 0 });
}
