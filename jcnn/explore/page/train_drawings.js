// The learner's own drawings: a pad, the class of what is drawn, and how many are added of each.

import { make } from "./dom.js";
import { makePad } from "./pad.js";
import { paperOf } from "./pen.js";
import { pixelsNow, showOwn } from "./pictures.js";
import { changeDrawn } from "./train_run.js";
import { className } from "./why_class.js";
import { fillIn } from "./words.js";

const PAD = 150; // CSS pixels

// Elements, `show()` for what is drawn and the counts; `changed` is called after an addition or removal.
export function makeDrawings(state, text, changed) {
  const { network, train: training } = state;
  training.pad ??= makePad(() => document.querySelector('#train [data-key="add"]').focus(), PAD);
  const { pad } = training;
  const label = state.picture === null ? 0 : network.pictures[state.picture].label ?? 0;
  training.label ??= label;
  const choice = make("select", { "data-key": "class", onchange: () => (training.label = Number(choice.value)) },
    network.classes.map((name, i) => make("option", { value: i, selected: i === training.label }, name)));
  const counts = make("p", { class: "train-counts" });
  const add = () => {
    const { pictures, labels } = training.drawn;
    changeDrawn(training, { pictures: [...pictures, Uint8Array.from(pixelsNow())], labels: [...labels, training.label] });
    state.announce(fillIn(text.added, { name: className(state, training.label), count: pictures.length + 1 }));
    if (state.picture === null) showOwn(new Uint8Array(pixelsNow().length).fill(paperOf(pad.pen)), null);
    changed();
  };
  const clear = make("button", { type: "button", "data-key": "clear-drawn", onclick: () => {
    changeDrawn(training, { pictures: [], labels: [] });
    state.announce(text.cleared);
    changed();
  } }, text.clearDrawn);
  const controls = make("div", { class: "train-add" },
    make("label", {}, `${text.drawnClass} `, choice),
    make("button", { type: "button", "data-key": "add", onclick: add }, text.add), clear, counts);

  function show() {
    pad.show();
    const { labels } = training.drawn;
    clear.setAttribute("aria-disabled", String(labels.length === 0));
    const list = network.classes.map((name, i) => [name, labels.filter((one) => one === i).length])
      .filter(([, count]) => count > 0).map(([name, count]) => `${name} × ${count}`).join(", ");
    counts.textContent = labels.length === 0 ? text.drawnNone : fillIn(text.drawnCounts, { count: labels.length, list });
  }
  return { elements: [make("h3", {}, text.drawnTitle), make("p", { class: "view-note" }, text.drawnNote), pad.element, controls], show };
}
