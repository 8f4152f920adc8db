// Rerun a layer after a change to a rectangle of its input, computing only the affected outputs. The
// same forward pass runs on a part of the input, so the numbers equal those of a full run bit for
// bit. This reduces the cost of occlusion.

import { runLayer, windowOf } from "./forward.js";
import { isJoin, partOfJoin } from "./joins.js";
import { isRearranging, rearrangedEnds } from "./rearranging.js";
import { transposedEnds } from "./transposed.js";

const WINDOWS = ["conv", "max_pool", "average_pool"];

// `before` is the output before the change; `changes` has for each of the inputs `xs` what is
// changed there, [[top, bottom], [left, right]], ends exclusive, or null for all of it. Returns
// {y, changed} for the output.
export function rerunLayer(layer, xs, before, changes) {
  const touched = changes.filter((changed) => changed === null || changed.every(([first, end]) => first < end));
  if (touched.length === 0) return { y: before, changed: [[0, 0], [0, 0]] };
  if (isJoin(layer)) return rerunJoin(layer, xs, before, changes);
  const [[x], [changed]] = [xs, changes];
  if (changed === null || layer.out.length !== 3 || layer.kind === "group_norm") {
    return { y: runLayer(layer, x), changed: null };
  }
  const ends = isRearranging(layer) ? rearrangedEnds : layer.kind === "conv_transpose" ? transposedEnds : null;
  if (ends) return { y: runLayer(layer, x), changed: changed.map((one, axis) => ends(layer, axis, one)) };
  return rerunPart(layer, x, before, changed);
}

// A layer whose output cells depend on the cells in a window, or at the same place.
function rerunPart(layer, x, before, changed) {
  const slides = WINDOWS.includes(layer.kind);
  const reached = slides ? changed.map((ends, axis) => reachedBy(layer, axis, ends)) : changed;
  if (reached.some(([first, end]) => first >= end)) return { y: before, changed: reached };
  const needed = slides ? reached.map((ends, axis) => neededFor(layer, axis, ends)) : reached;
  const read = needed.map(([first, end], axis) => [Math.max(0, first), Math.min(layer.in[axis], end)]);
  const part = {
    ...layer,
    in: [...read.map(lengthOf), layer.in[2]],
    out: [...reached.map(lengthOf), layer.out[2]],
    padding: needed.map(([first, end], axis) => [read[axis][0] - first, end - read[axis][1]]),
  };
  const y = Float64Array.from(before);
  const inner = runLayer(part, cropped(x, layer.in, read));
  eachRow(layer.out, reached, (from, length, at) => y.set(inner.subarray(at, at + length), from));
  return { y, changed: reached };
}

// The changed area of the output contains those of all inputs.
function rerunJoin(layer, xs, before, changes) {
  const areas = changes.map((changed, k) => reachedByInput(layer, k, changed));
  if (areas.includes(null)) return { y: runLayer(layer, ...xs), changed: null };
  const real = areas.filter((area) => area.every(([first, end]) => first < end));
  const changed = [0, 1].map((axis) => [
    Math.min(...real.map((area) => area[axis][0])), Math.max(...real.map((area) => area[axis][1]))]);
  const part = partOfJoin(layer, xs, changed, cropped);
  const y = Float64Array.from(before);
  const inner = runLayer(part.layer, ...part.xs);
  eachRow(layer.out, changed, (from, length, at) => y.set(inner.subarray(at, at + length), from));
  return { y, changed };
}

// What a change of one input changes; an axis of size 1 is repeated.
function reachedByInput(layer, input, changed) {
  if (changed === null || layer.out.length !== 3) return null;
  if (changed.some(([first, end]) => first >= end)) return changed;
  return changed.map((ends, axis) => (layer.ins[input][axis] === 1 ? [0, layer.out[axis]] : ends));
}

const lengthOf = ([first, end]) => end - first;

// The output rows (or columns) whose windows touch these input rows.
function reachedBy(layer, axis, [first, end]) {
  const { stride, before, span } = slideOf(layer, axis);
  const from = Math.ceil((first + before - span + 1) / stride);
  const last = Math.floor((end - 1 + before) / stride);
  return [Math.max(0, from), Math.min(layer.out[axis], last + 1)];
}

// The input rows (or columns) under the windows of these output rows, with padding.
function neededFor(layer, axis, [first, end]) {
  const { stride, before, span } = slideOf(layer, axis);
  return [first * stride - before, (end - 1) * stride - before + span];
}

function slideOf(layer, axis) {
  const span = (windowOf(layer)[axis] - 1) * (layer.dilation?.[axis] ?? 1) + 1;
  return { stride: layer.stride[axis], before: layer.padding[axis][0], span };
}

function cropped(x, shape, area) {
  const y = new Float64Array(lengthOf(area[0]) * lengthOf(area[1]) * shape[2]);
  eachRow(shape, area, (from, length, at) => y.set(x.subarray(from, from + length), at));
  return y;
}

// The rows of an area: start in the whole array, length, and start in the part.
function eachRow([, width, channels], [[top, bottom], [left, right]], visit) {
  const length = (right - left) * channels;
  for (let row = top; row < bottom; row++) visit((row * width + left) * channels, length, (row - top) * length);
}
