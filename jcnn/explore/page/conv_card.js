// One input channel of a convolution, in a row: its map with the window on it, patch, kernel and
// products, their sum, and the channel's intermediate map.

import { colourOf, drawMap, inkOn } from "./colour.js";
import { equalsSign, isRounded, setNumeral } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { eachCell, windowOf } from "./forward.js";
import { makeNumberTable } from "./number_table.js";

const FEW_COLUMNS = 3; // kernels of more columns have smaller numbers,
const MANY_COLUMNS = 5; // and of more none: only a cell under the pointer says its own
const DOT = 14; // pixels

// The height of the grids of a card, whose numbers take `row` pixels.
export function heightOfGrids(layer, row) {
  const [rows, columns] = windowOf(layer);
  return rows * (columns > MANY_COLUMNS ? DOT : row);
}

// Make a card for input channel `channel` of outputs[input], with maps of `side` pixels; `drawCard` and
// `fillCard` fill it in.
export function makeCard(layer, input, channel, side, w) {
  const [rows, columns] = windowOf(layer);
  const map = makeInputMap(layer, side);
  map.element.dataset.source = `${input}-${channel}`;
  const grids = ["patch", "kernel", "products"].map((key) => makeNumberTable(key, w[key], `${w[key]}, ${w.channel} ${channel}`, rows, columns, w));
  const [sign, gives] = [1, 2].map(() => make("span", { class: "sign" }));
  const sum = make("span", { class: "sum" });
  const part = makeSpotMap(layer.out, side);
  const element = make("article", { class: `card${columns > MANY_COLUMNS ? " dots" : columns > FEW_COLUMNS ? " wide" : ""}`, "data-channel": channel },
    make("figure", { class: "from" }, map.element, make("figcaption", {}, `${w.channel} ${channel}`)),
    make("div", { class: "grids" }, grids[0].element, make("span", { class: "sign" }, "×"), grids[1].element,
      gives, grids[2].element),
    make("figure", { class: "adds" }, part.element, make("figcaption", {}, sign, " ", sum)));
  pairCells(element, grids);
  return { element, channel, map, grids, gives, sign, sum, part };
}

// Draw the maps of card `k` of the filter's inputs: `maps` are the intermediate ones, `count` of them.
export function drawCard({ channel, map, part }, layer, x, maps, k, count, ranges) {
  const [height, width, channels] = layer.in;
  drawMap(map.canvas, x, channel, channels, height, width, ranges.value);
  drawMap(part.canvas, maps, k, count, layer.out[0], layer.out[1], ranges.part);
}

// Show the terms of the channel at one position, in kernel order; returns their sum.
export function fillCard(card, terms, outline, ranges, exact, w) {
  const total = terms.reduce((sum, term) => sum + term.product, 0);
  card.map.window.setAttribute("d", outline);
  terms.forEach((term, i) => {
    const outside = term.source < 0;
    fillCell(card.grids[0].cells[i], term.value, ranges.value, exact, outside, w);
    fillCell(card.grids[1].cells[i], term.weight, ranges.weight, exact, false, w);
    fillCell(card.grids[2].cells[i], term.product, ranges.product, exact, outside, w);
    for (const { notes } of [card.grids[0], card.grids[2]]) notes[i].textContent = outside ? ` (${w.padding_cell})` : "";
  });
  const rounded = terms.some((term) => term.product !== 0 &&
    [term.value, term.weight, term.product].some(isRounded));
  card.gives.textContent = rounded && !exact ? "≈" : "=";
  card.sign.textContent = equalsSign(terms.map((term) => term.product), total, exact);
  setNumeral(card.sum, total, exact);
  return total;
}

// A map of outputs with a mark at a position and a veil over those that a walk has not come to.
export function makeSpotMap([height, width], longest) {
  const canvas = make("canvas");
  const rest = makeSvg("path", { class: "rest" });
  const spot = makeSvg("path", { class: "window" });
  const side = longest / Math.max(height, width);
  const element = make("div", { class: "padded output", style: { width: `${width * side}px`, height: `${height * side}px` } },
    canvas, makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, rest, spot));
  return { element, canvas, rest, spot };
}

export function markSpot({ rest, spot }, [height, width], row, column, walk) {
  spot.setAttribute("d", `M${column} ${row}h1v1h-1z`);
  rest.setAttribute("d", walk ? `M${column + 1} ${row}H${width}v1H${column + 1}zM0 ${row + 1}H${width}V${height}H0z` : "");
}

// The window at an output position as an SVG path in input cells.
export function windowPath(layer, r, c) {
  const { stride, padding, dilation } = layer;
  const [rows, columns] = windowOf(layer);
  const top = r * stride[0] - padding[0][0];
  const left = c * stride[1] - padding[1][0];
  if (Math.max(...dilation) === 1) return `M${left} ${top}h${columns}v${rows}h${-columns}z`;
  let path = "";
  eachCell(layer, r, c, (i, j) => {
    path += `M${left + j * dilation[1]} ${top + i * dilation[0]}h1v1h-1z`;
  });
  return path;
}

// The map of a channel with the hatched padding around it, and the window.
function makeInputMap(layer, longest) {
  const [height, width] = layer.in;
  const [[top, bottom], [left, right]] = layer.padding;
  const [high, wide] = [height + top + bottom, width + left + right];
  const canvas = make("canvas", { style: {
    left: `${(100 * left) / wide}%`, top: `${(100 * top) / high}%`,
    width: `${(100 * width) / wide}%`, height: `${(100 * height) / high}%` } });
  const window = makeSvg("path", { class: "window" });
  const svg = makeSvg("svg", { viewBox: `${-left} ${-top} ${wide} ${high}`, "aria-hidden": "true" }, window);
  const side = longest / Math.max(high, wide);
  const element = make("div", { class: "padded", style: { width: `${wide * side}px`, height: `${high * side}px` } }, canvas, svg);
  return { element, canvas, window };
}

function fillCell(cell, value, range, exact, outside, w) {
  setNumeral(cell, value, exact);
  cell.classList.toggle("outside", outside);
  if (outside) {
    cell.title = w.padding_cell;
    cell.dataset.padding = "true";
    Object.assign(cell.style, { backgroundColor: "", color: "" });
    return;
  }
  if (cell.dataset.padding) cell.removeAttribute("title");
  delete cell.dataset.padding;
  const colour = colourOf(value, range);
  Object.assign(cell.style, { backgroundColor: `rgb(${colour.join(" ")})`, color: inkOn(colour) });
}

// Pointing at a cell highlights the same cell in the other two grids.
function pairCells(element, grids) {
  const pair = (event) => {
    const index = event.type === "pointerover" ? event.target.dataset.cell : undefined;
    for (const { cells } of grids) cells.forEach((cell, i) => cell.classList.toggle("paired", String(i) === index));
    if (index === undefined || !element.classList.contains("dots")) return;
    const [value, weight, product] = grids.map(({ cells }) => cells[index].textContent);
    event.target.title = `${value} × ${weight} = ${product}`;
  };
  element.addEventListener("pointerover", pair);
  element.addEventListener("pointerleave", pair);
}
