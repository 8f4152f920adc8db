// One input channel of a convolution: its map with the window on it, patch, kernel, products, sum.

import { colourOf, drawMap, inkOn } from "./colour.js";
import { equalsSign, isRounded, setNumeral } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { eachCell, windowOf } from "./forward.js";
import { makeNumberTable } from "./number_table.js";

// Make a card for input channel `channel`; `drawCardMap` and `fillCard` fill in the numbers.
export function makeCard(layer, channel, w) {
  const [rows, columns] = windowOf(layer);
  const map = makeInputMap(layer);
  const grids = ["patch", "kernel", "products"].map((key) => makeNumberTable(key, w[key], `${w[key]}, ${w.channel} ${channel}`, rows, columns, w));
  const [sign, gives] = [1, 2].map(() => make("span", { class: "sign" }));
  const sum = make("span", { class: "sum" });
  const element = make("article", { class: "card", "data-channel": channel },
    make("h3", {}, `${w.channel} ${channel}`), map.element,
    make("div", { class: "grids" }, grids[0].element, make("span", { class: "sign" }, "×"), grids[1].element,
      gives, grids[2].element),
    make("p", { class: "sum-line" }, make("span", { class: "soft" }, `${w.channel_sum} `), sign, " ", sum));
  pairCells(element, grids);
  return { element, channel, map, grids, gives, sign, sum };
}

export function drawCardMap({ channel, map }, layer, x, range) {
  const [height, width, channels] = layer.in;
  drawMap(map.canvas, x, channel, channels, height, width, range);
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

// Draw the map of the channel, the hatched padding around it, and the window.
function makeInputMap(layer) {
  const [height, width] = layer.in;
  const [[top, bottom], [left, right]] = layer.padding;
  const [high, wide] = [height + top + bottom, width + left + right];
  const canvas = make("canvas", { style: {
    left: `${(100 * left) / wide}%`, top: `${(100 * top) / high}%`,
    width: `${(100 * width) / wide}%`, height: `${(100 * height) / high}%` } });
  const window = makeSvg("path", { class: "window" });
  const svg = makeSvg("svg", { viewBox: `${-left} ${-top} ${wide} ${high}`, "aria-hidden": "true" }, window);
  const side = 104 / Math.max(high, wide);
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
  };
  element.addEventListener("pointerover", pair);
  element.addEventListener("pointerleave", pair);
}
