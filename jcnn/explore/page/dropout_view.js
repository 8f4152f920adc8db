// Dropout: the identity in eval mode, a mask and a factor in training; of single numbers, of channels
// (spatial dropout) or of the whole branch (stochastic depth).

import { rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { graphWords } from "./graph_words.js";
import { EQUALS, equation } from "./equation.js";
import { mapPicture, wrappedRow } from "./map_picture.js";
import { change } from "./state.js";
import { checkBox, fillPanel, numberField, viewHead, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

export function showDropout(panel, state) {
  const { layer, unit, x, y, place } = viewed(state);
  const [text, graph] = [viewWords[state.language], graphWords[state.language]];
  const training = Boolean(state.dropoutTraining);
  const seed = state.dropoutSeed ?? 0;
  const isMap = layer.in.length === 3;
  const channel = isMap ? place.channel : 0;
  const flat = wrappedRow(x).shape;
  const box = isMap ? [place.row, place.column, 1, 1]
    : [Math.floor(unit / flat[1]), unit % flat[1], 1, 1];
  const picture = (data, range, caption) => {
    const map = isMap ? { data, shape: layer.in } : wrappedRow(data);
    return mapPicture(map.data, map.shape, channel, box, range, caption);
  };
  const range = rangeOf(x) / (1 - layer.rate);
  const controls = make("div", { class: "view-controls" },
    checkBox(text.dropoutTraining, "training", training,
      (on) => change({ dropoutTraining: on })),
    ...(training ? [numberField(text.dropoutSeed, "seed", seed, 2 ** 32 - 1,
      (number) => change({ dropoutSeed: number }))] : []));
  const head = [
    viewHead(state, layer.kind === "dropout" ? text.dropoutTitle : graph[`${layer.kind}Title`]),
    make("p", {}, fillIn(layer.kind === "dropout" ? text.dropoutIntro : graph[`${layer.kind}Intro`], { rate: layer.rate })),
    controls,
  ];
  if (!training) {
    fillPanel(panel, ...head,
      equation(state, ["y = x: ", x[unit], EQUALS, y[unit]], true),
      make("div", { class: "view-columns" }, picture(x, range, text.dropoutSame)));
    return;
  }
  const parts = { dropout: x.length, spatial_dropout: layer.out.at(-1), stochastic_depth: 1 }[layer.kind];
  const drawnMask = dropoutMask(parts, layer.rate, seed);
  const mask = Uint8Array.from(x, (_, at) => drawnMask[at % parts]);
  const factor = 1 / (1 - layer.rate);
  const trained = x.map((value, at) => value * mask[at] * factor);
  const kept = drawnMask.reduce((count, bit) => count + bit, 0);
  fillPanel(panel, ...head,
    make("p", { class: "view-note" }, text.dropoutGenerator),
    equation(state, [`${text.dropoutFactor} = 1 / (1 − `, layer.rate, ")", EQUALS, factor]),
    equation(state, [`${text.dropoutMask} = `, mask[unit]]),
    equation(state, [`y = x × ${text.dropoutMask} × ${text.dropoutFactor} = `, x[unit], " × ",
      mask[unit], " × ", factor, EQUALS, trained[unit]]),
    equation(state, [`${text.dropoutKept}: `, kept, " / ", parts, EQUALS, kept / parts,
      ` (${text.dropoutExpected} `, 1 - layer.rate, ")"]),
    make("div", { class: "view-columns" },
      picture(x, range, text.viewBefore),
      picture(mask, 2, text.dropoutMask),
      picture(trained, range, text.viewAfter)));
}

// 1 for a kept number, 0 for a dropped one: number i is kept if hash(i, seed) / 2^32 is at
// least the rate. The hash is the last step of MurmurHash3 (Appleby, 2011), of the seed and of i.
export function dropoutMask(count, rate, seed) {
  const start = mixBits(seed >>> 0);
  return Uint8Array.from({ length: count }, (_, index) => {
    const bits = mixBits((start + Math.imul(index + 1, 0x9e3779b9)) >>> 0);
    return bits / 2 ** 32 >= rate ? 1 : 0;
  });
}

export function mixBits(bits) {
  let mixed = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
