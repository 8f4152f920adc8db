// The edges of the whole network, faint, behind the maps. Those of a dense layer have the colour of what
// they add to the unit: weights times inputs.

import { cssColour } from "./colour.js";
import { makeSvg } from "./dom.js";
import { upTo } from "./shapes.js";

const CURVES = 200; // curves between two columns
const LEAST_SEEN = 0.06; // edges that add less than this share of the largest stay grey

// Fill `svg`, which covers `frame`, with the edges into every stage.
//   columns: by output; edges start and end at the columns' boxes, or at the cells of a short vector
export function drawRest(svg, frame, stages, columns, { network, outputs }) {
  const origin = frame.getBoundingClientRect();
  const boxes = new Map(); // measured once a column
  const of = (column) => {
    if (!boxes.has(column)) boxes.set(column, endsOf(column, origin));
    return boxes.get(column);
  };
  const order = stages.map(({ shown }) => columns[shown]);
  svg.replaceChildren(...stages.flatMap((stage) => {
    const after = columns[stage.shown];
    return readBy(stage, network).flatMap(({ input, layer }) => {
      const before = columns[input];
      if (order.indexOf(before) < order.indexOf(after) - 1) return skip(before, after, origin);
      const added = addedBy(layer, outputs[layer.inputs[0]], before, after);
      if (added) return coloured(added, of(before), of(after));
      const pairs = pairsOf(layer, before, after, of(before).length, of(after).length).slice(0, CURVES);
      const d = pairs.map(([a, b]) => curve(of(before)[a], of(after)[b])).join("");
      return makeSvg("path", { class: "faint", d });
    });
  }));
}

// What a stage reads from other stages, with the layer that reads it.
function readBy(stage, network) {
  const own = new Set(stage.layers.map((i) => i + 1));
  return stage.layers.flatMap((i) =>
    network.layers[i].inputs.filter((one) => !own.has(one)).map((input) => ({ input, layer: network.layers[i] })));
}

// Pairs of boxes: every one with every one, or channel by channel.
function pairsOf(layer, before, after, many, ends) {
  const all = ["dense", "flatten"].includes(layer.kind) || (mixes(layer) && (layer.groups ?? 1) === 1);
  const pairs = [];
  for (let a = 0; a < many; a++) {
    for (let b = 0; b < ends; b++) {
      const [from, to] = [before.channels?.[a], after.channels?.[b]];
      if (all || from === undefined || to === undefined || sees(layer, from, to)) pairs.push([a, b]);
    }
  }
  return pairs;
}

// Where edges of a column start or end.
function endsOf({ form, boxes, rows, columns }, origin) {
  if (form === "bars") return [...boxes[0].children].map((box) => place(box, origin));
  if (form !== "strip" || columns > 1) return boxes.map((box) => place(box, origin));
  const whole = place(boxes[0], origin);
  return upTo(rows).map((row) => ({ ...whole, y: whole.y + (row * whole.height) / rows, height: whole.height / rows }));
}

// What each end of the column `before` adds to each unit of a dense layer that has a bar: a list of
// {a, b, added}; null for other layers, and where a vector is drawn as one box.
function addedBy(layer, x, before, after) {
  if (layer.kind !== "dense" || after.form !== "bars" || after.index < 1) return null;
  const starts = before.channels ?? (before.form === "strip" && before.columns === 1 ? upTo(before.rows) : null);
  const step = before.channels ? before.shape[2] : x.length; // from one input of an end to its next
  if (starts === null || x.length % step > 0) return null;
  const { data } = layer.arrays.kernel;
  const units = layer.out[0];
  return starts.flatMap((first, a) => after.units.map((unit, b) => {
    let added = 0;
    for (let d = first; d < x.length; d += step) added += x[d] * data[d * units + unit];
    return { a, b, added };
  }));
}

function coloured(edges, starts, ends) {
  const strongest = edges.sort((one, two) => Math.abs(two.added) - Math.abs(one.added)).slice(0, CURVES);
  const most = Math.abs(strongest[0]?.added ?? 0);
  return strongest.reverse().map(({ a, b, added }) => {
    const share = most > 0 ? Math.abs(added) / most : 0;
    const style = share < LEAST_SEEN ? {}
      : { stroke: cssColour(Math.sign(added) * (0.4 + 0.6 * share), 1), strokeWidth: 0.6 + 1.6 * share, opacity: 0.2 + 0.6 * share };
    return makeSvg("path", { class: "faint added", "data-added": added, d: curve(starts[a], ends[b]), style });
  });
}

function mixes({ kind }) {
  return kind === "conv" || kind === "conv_transpose";
}

// Whether a channel of the output reads a channel of the input.
function sees(layer, from, to) {
  if (!mixes(layer)) return from === to;
  const [inputs, outputs] = [layer.in[2] / layer.groups, layer.out[2] / layer.groups];
  return Math.floor(from / inputs) === Math.floor(to / outputs);
}

function curve(a, b) {
  const [x1, y1, x2, y2] = [a.x + a.width + 1, a.y + a.height / 2, b.x - 1, b.y + b.height / 2];
  const bend = (x2 - x1) * 0.6;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

// A skip connection: an arc below the columns in between.
function skip(before, after, origin) {
  const [from, to] = [place(before.cells, origin), place(after.cells, origin)];
  const [x1, x2] = [from.x + from.width / 2, to.x + to.width / 2];
  const y = Math.max(from.y + from.height, to.y + to.height) + 2;
  const deep = Math.min(26, 8 + (x2 - x1) / 12);
  return makeSvg("path", { class: "faint skip", d: `M${x1} ${y}C${x1} ${y + deep} ${x2} ${y + deep} ${x2} ${y}` });
}

function place(element, origin) {
  const { x, y, width, height } = element.getBoundingClientRect();
  return { x: x - origin.x, y: y - origin.y, width, height };
}
