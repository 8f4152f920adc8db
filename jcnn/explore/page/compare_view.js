// The page "Compare": two models on the same picture, one row each, and the difference below.

import { activeChannels } from "./channels.js";
import { isSameStructure, MODEL_LETTERS, minus, outputsOfModel, relativeDifference, takeModel } from "./compare.js";
import { classDifferences } from "./compare_classes.js";
import { compareWords } from "./compare_words.js";
import { drawMap, rangeOf } from "./colour.js";
import { stageName } from "./column.js";
import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { wrappedRow } from "./map_picture.js";
import { drawPicture, isPicture } from "./pictures.js";
import { unitAt } from "./shapes.js";
import { stagesOf } from "./stages.js";
import { state } from "./state.js";
import { fillPanel } from "./view_panel.js";
import { fillIn } from "./words.js";

const FEW_STAGES = 9; // of so many columns, each shows four maps, else two

// Rebuild the panel.
export function showCompare(panel) {
  const { models } = state.network;
  const text = compareWords[state.language];
  const outputs = models.map((_, k) => outputsOfModel(k));
  const same = isSameStructure(models);
  const global = Math.max(...outputs.flat().map((data) => rangeOf(data)));
  const view = { models, outputs, same, text, global };
  fillPanel(panel,
    make("h2", {}, text.compareTitle),
    make("div", { class: "cmp" },
      make("div", { class: "cmp-networks" }, same ? bothNetworks(view) : models.map((_, k) => oneNetwork(view, k))),
      classDifferences(state, outputs)),
    make("p", { class: "cmp-note" }, same ? text.compareSame : text.compareOther));
}

// Both networks in one grid: a column for each stage, with the rows A, B and B - A.
function bothNetworks({ models, outputs, text, global }) {
  const stages = stagesToShow(models[0]);
  const columns = stages.map((stage) => {
    const datas = outputs.map((of) => of[stage.shown]);
    return { stage, datas, ...choiceOf(models, stage, datas, stages.length, global) };
  });
  const heads = columns.map(({ stage }) => make("th", { scope: "col", title: stageName(stage, models[0], state.language) },
    stageName(stage, models[0], state.language)));
  const rows = MODEL_LETTERS.map((letter, k) => make("tr", { "data-model": letter }, rowHead(letter, models[k].own_name),
    columns.map((column) => make("td", {}, mapsOf(models[k], k, column, column.datas[k], text)))));
  const difference = make("tr", { "data-model": "difference" }, rowHead(text.compareDifference, ""),
    columns.map((column) => make("td", {}, column.stage.shown > 0 && differenceOf(models, column, text))));
  return compareTable(stages.length, heads, [...rows, difference]);
}

// One network by itself.
function oneNetwork({ models, outputs, text, global }, k) {
  const stages = stagesToShow(models[k]);
  const columns = stages.map((stage) => {
    const datas = [outputs[k][stage.shown]];
    return { stage, datas, ...choiceOf([models[k]], stage, datas, stages.length, global) };
  });
  const heads = columns.map(({ stage }) => make("th", { scope: "col", title: stageName(stage, models[k], state.language) },
    stageName(stage, models[k], state.language)));
  return compareTable(stages.length, heads, [make("tr", { "data-model": MODEL_LETTERS[k] }, rowHead(MODEL_LETTERS[k], models[k].own_name),
    columns.map((column) => make("td", {}, mapsOf(models[k], k, column, column.datas[0], text))))]);
}

function compareTable(stages, heads, rows) {
  return make("div", { class: "view-scroll" }, make("table", { class: `cmp-table${stages > FEW_STAGES ? " slim" : ""}` },
    make("thead", {}, make("tr", {}, make("td"), heads)), make("tbody", {}, rows)));
}

function rowHead(letter, name) {
  return make("th", { scope: "row" }, make("b", {}, letter), make("span", {}, name));
}

// All but the classes, which have a part of their own.
function stagesToShow(network) {
  return stagesOf(network, false).filter(({ shown }) => shown < network.layers.length - 1 || network.layers[shown - 1]?.out.length === 3);
}

// The channels of a column, and the ranges of its colours.
function choiceOf(models, stage, datas, stages, global) {
  const [network] = models;
  const shape = stage.shown === 0 ? network.input.shape : network.layers[stage.shown - 1].out;
  const kernels = models.map(({ layers }) => layers[stage.layers[0]]?.arrays.kernel?.data).filter(Boolean);
  const range = state.scale === "global" ? global : Math.max(...datas.map((data) => rangeOf(data)));
  const channels = shape.length === 3 ? activeChannels(datas, shape[2], stages > FEW_STAGES ? 2 : 4) : [];
  const ranges = new Map(channels.map((k) => [k, state.scale === "unit" ? Math.max(...datas.map((data) => rangeOf(data, k, shape[2]))) : range]));
  return { shape, range, channels, ranges, kernelRange: Math.max(0, ...kernels.map((data) => rangeOf(data))) };
}

function mapsOf(network, k, column, data, text) {
  const { stage, shape, channels } = column;
  const model = MODEL_LETTERS[k];
  const layer = stageName(stage, network, state.language);
  if (stage.shown === 0 && isPicture(shape)) {
    const canvas = make("canvas", { class: "cmp-picture" });
    drawPicture(canvas, data, shape);
    return canvas;
  }
  if (shape.length !== 3) return stripCanvas(data, column.range, fillIn(text.compareStrip, { model, layer }));
  const open = (channel) => {
    const unit = unitAt(shape, shape[0] >> 1, shape[1] >> 1, channel);
    takeModel(k, { view: "network", selected: { layer: stage.layers[0], unit } });
  };
  return [
    make("div", { class: "cmp-maps" }, channels.map((channel) => make("button", {
      type: "button", class: "cmp-map", onclick: () => open(channel), "data-range": column.ranges.get(channel), "data-channel": channel,
      "aria-label": fillIn(text.compareOpen, { model, layer, channel }) }, mapCanvas(data, channel, column)))),
    kernelRow(network.layers[stage.layers[0]], channels, column.kernelRange),
  ];
}

function mapCanvas(data, channel, { shape, ranges }) {
  const canvas = make("canvas");
  drawMap(canvas, data, channel, shape[2], shape[0], shape[1], ranges.get(channel));
  return canvas;
}

function stripCanvas(data, range, label) {
  const { data: square, shape } = wrappedRow(data);
  const canvas = make("canvas", { class: "cmp-strip", role: "img", "aria-label": label, "data-range": range });
  drawMap(canvas, square, 0, 1, shape[0], shape[1], range);
  return canvas;
}

// The kernels of a convolution that reads at most three channels.
function kernelRow(layer, channels, range, of = layer?.arrays.kernel?.data) {
  if (layer?.kind !== "conv" || layer.arrays.kernel.shape[2] > 3) return null;
  const [height, width, inputs, filters] = layer.arrays.kernel.shape;
  return make("div", { class: "cmp-kernels" }, channels.map((filter) => make("span", {}, Array.from({ length: inputs }, (_, i) => {
    const canvas = make("canvas", { "data-range": range });
    drawMap(canvas, of, i * filters + filter, inputs * filters, height, width, range);
    return canvas;
  }))));
}

function differenceOf(models, column, text) {
  const { stage, shape, datas: [a, b], channels, range } = column;
  const apart = minus(b, a);
  const share = relativeDifference(a, b);
  const [one, other] = models.map(({ layers }) => layers[stage.layers[0]]);
  const kernel = one.kind === "conv" && one.arrays.kernel;
  return [
    shape.length === 3
      ? make("div", { class: "cmp-maps" }, channels.map((channel) => make("span", { class: "cmp-map" }, mapCanvas(apart, channel, column))))
      : stripCanvas(apart, range, fillIn(text.compareStrip, { model: text.compareDifference, layer: one.name })),
    kernel && kernelRow(one, channels, column.kernelRange, minus(other.arrays.kernel.data, kernel.data)),
    share !== null && make("p", { class: "cmp-share", title: text.compareShareTitle },
      `${text.compareShare} `, numeral(100 * share, state.exact), " %",
      make("span", { class: "cmp-bar" }, make("span", { style: { width: `${100 * Math.min(1, share)}%` } }))),
  ];
}
