// The pictures of the last batch: right or wrong, and what each adds to the gradient of a weight.

import { shown } from "./digits.js";
import { make } from "./dom.js";
import { drawPicture, isPicture } from "./pictures.js";
import { pixelsOf } from "./train_run.js";
import { viewBar } from "./view_panel.js";
import { className } from "./why_class.js";
import { fillIn } from "./words.js";

const MOST_THUMBS = 32;

export function showBatch(box, state, text) {
  const { network, train: training } = state;
  const { shape, scale } = network.input;
  const batch = training.report?.batch ?? [];
  if (batch.length === 0) {
    box.replaceChildren(make("p", { class: "view-note" }, text.batchNone));
    return;
  }
  const largest = batch.reduce((most, { share }) => Math.max(most, Math.abs(share)), 0);
  const right = batch.filter(({ label, predicted }) => label === predicted).length;
  const name = (i) => className(state, i);
  const items = batch.slice(0, MOST_THUMBS).map((one) => {
    const said = fillIn(text.example, { name: name(one.label), guess: name(one.predicted), loss: shown(one.loss), share: shown(one.share) });
    const isRight = one.label === one.predicted;
    const pixels = pixelsOf(network, training, one.n); // removed, if it was a drawing
    const canvas = make("canvas", { role: "img", "aria-label": said });
    if (pixels && isPicture(shape)) drawPicture(canvas, Float64Array.from(pixels, (pixel) => pixel / scale), shape);
    return make("li", { title: said, class: isRight ? "right" : "wrong" }, canvas,
      make("span", { "aria-hidden": "true" }, isRight ? "✓" : `✗ ${name(one.predicted)}`), viewBar(one.share, largest));
  });
  const more = batch.length - items.length;
  box.replaceChildren(make("ul", { class: "train-batch" }, items),
    make("p", { class: "view-note" }, make("b", {}, fillIn(text.rightCount, { right, all: batch.length })), " ",
      more > 0 && `(${fillIn(text.batchMore, { count: more })}) `, text.batchNote));
}
