// The pictures of the last batch: right or wrong, and what each adds to the gradient of a weight.

import { shown } from "./digits.js";
import { make } from "./dom.js";
import { drawPicture, isPicture } from "./pictures.js";
import { pixelsOf } from "./train_run.js";
import { viewBar } from "./view_panel.js";
import { className } from "./why_class.js";
import { fillIn } from "./words.js";

const MOST_THUMBS = 32;

// An element, and `show()` that draws the last report's batch. Its parts are kept, since a training
// has ten reports a second.
export function makeBatch(state, text) {
  const { network, train: training } = state;
  const name = (i) => className(state, i);
  const none = make("p", { class: "view-note" }, text.batchNone);
  const list = make("ul", { class: "train-batch" });
  const counted = make("b");
  const note = make("p", { class: "view-note" }, counted, make("span"), text.batchNote);
  const element = make("div", {}, none, list, note);
  const items = [];

  function show() {
    const batch = training.report?.batch ?? [];
    none.hidden = batch.length > 0;
    note.hidden = batch.length === 0;
    const largest = batch.reduce((most, { share }) => Math.max(most, Math.abs(share)), 0);
    const right = batch.filter(({ label, predicted }) => label === predicted).length;
    const seen = batch.slice(0, MOST_THUMBS);
    while (items.length < seen.length) items.push(makeItem());
    if (list.children.length !== seen.length) list.replaceChildren(...items.slice(0, seen.length).map((item) => item.element));
    seen.forEach((one, i) => showItem(items[i], one, largest));
    counted.textContent = fillIn(text.rightCount, { right, all: batch.length });
    const more = batch.length - seen.length;
    note.children[1].textContent = more > 0 ? ` (${fillIn(text.batchMore, { count: more })}) ` : " ";
  }

  function showItem(item, one, largest) {
    const isRight = one.label === one.predicted;
    const said = fillIn(text.example, { name: name(one.label), guess: name(one.predicted), loss: shown(one.loss), share: shown(one.share) });
    item.element.className = isRight ? "right" : "wrong";
    item.element.title = said;
    item.canvas.setAttribute("aria-label", said);
    item.verdict.textContent = isRight ? "✓" : `✗ ${name(one.predicted)}`;
    const bar = viewBar(one.share, largest);
    item.bar.replaceWith(bar);
    item.bar = bar;
    const pixels = pixelsOf(network, training, one.n); // none, if it was a drawing that is removed
    if (pixels === item.pixels) return;
    item.pixels = pixels;
    const { shape, scale } = network.input;
    if (pixels && isPicture(shape)) drawPicture(item.canvas, Float64Array.from(pixels, (pixel) => pixel / scale), shape);
  }
  return { element, show };
}

function makeItem() {
  const [canvas, verdict, bar] = [make("canvas", { role: "img" }), make("span", { "aria-hidden": "true" }), make("span")];
  return { element: make("li", {}, canvas, verdict, bar), canvas, verdict, bar, pixels: null };
}
