// The edges of the whole network, faint, behind the maps.

import { makeSvg } from "./dom.js";

const CURVES = 200; // curves between two columns

// Fill `svg`, which covers `frame`, with the edges into every stage.
//   columns: by output; edges start and end at the columns' boxes
export function drawRest(svg, frame, stages, columns, network) {
  const origin = frame.getBoundingClientRect();
  const boxes = new Map(); // measured once a column
  const of = (column) => {
    const ends = column.form === "bars" ? [...column.boxes[0].children] : column.boxes;
    if (!boxes.has(column)) boxes.set(column, ends.map((box) => place(box, origin)));
    return boxes.get(column);
  };
  const order = stages.map(({ shown }) => columns[shown]);
  svg.replaceChildren(...stages.flatMap((stage) => {
    const after = columns[stage.shown];
    return readBy(stage, network).map(({ input, layer }) => {
      const before = columns[input];
      if (order.indexOf(before) < order.indexOf(after) - 1) return skip(before, after, origin);
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
