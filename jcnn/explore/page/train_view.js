// "Train": the network learns in the page, batch by batch, seen from its loss to one weight's update.

import { shown } from "./digits.js";
import { make } from "./dom.js";
import { INITIALIZERS } from "./learn_weights.js";
import { OPTIMIZERS } from "./learn_update.js";
import { listen } from "./state.js";
import { makeBatch } from "./train_batch.js";
import { makeCurves } from "./train_curves.js";
import { makeDrawings } from "./train_drawings.js";
import { makeFilters } from "./train_filters.js";
import { countsOf, goOn, openTraining, resetTraining, setTraining, startAnew, stopTraining, watchWeight } from "./train_run.js";
import { showWeight } from "./train_weight.js";
import { trainWords } from "./train_words.js";
import { fillPanel, numberField, selectField } from "./view_panel.js";
import { fillIn } from "./words.js";

const BATCHES = [1, 4, 8, 16, 32, 64, 128];
const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];

// Rebuild the panel. The training goes on when another page is shown.
export function showTrain(panel, state) {
  const text = trainWords[state.language];
  if (state.train === null) {
    state.train = openTraining(state);
    listen((changed) => {
      if (changed.has("edited") && !state.edited) resetTraining(state);
      if (changed.has("outputs") && state.view === "train") state.train.showPad();
    });
  }
  const training = state.train;
  const go = makeGo(state, training, text);
  const curves = makeCurves(text);
  const batch = makeBatch(state, text);
  const weight = make("div");
  const filters = makeFilters(state, text, (at) => {
    watchWeight(training, at);
    showWeight(weight, state, text);
  });
  const drawings = makeDrawings(state, text, () => {
    settings.replaceWith((settings = makeSettings(state, training, text, refresh)));
    refresh();
  });
  let settings = makeSettings(state, training, text, refresh);
  training.showPad = drawings.show;
  training.refresh = (ended) => {
    if (state.view === "train") refresh();
    if (ended) announceEnd(state, training, trainWords[state.language]);
  };
  fillPanel(panel, make("div", { class: "train-bar" }, go.element, settings, go.note), make("div", { class: "train-grid" },
    make("div", {}, curves.elements),
    make("div", {}, make("section", {}, make("h3", {}, text.batchTitle), batch.element),
      make("section", { class: "train-drawn" }, drawings.elements)),
    make("div", {}, make("section", {}, filters.elements), make("section", { class: "train-weight" }, weight))));

  function refresh() {
    go.show();
    curves.show(training, countsOf(state.network, training).held);
    batch.show();
    filters.show();
    showWeight(weight, state, text);
    drawings.show();
  }
  refresh();
}

function announceEnd(state, training, text) {
  const { epoch, step, trouble } = training.report;
  const loss = training.steps.at(-1)?.loss;
  if (loss !== undefined) state.announce(trouble ? text.diverged : fillIn(text.stopped, { epoch, step, loss: shown(loss) }));
}

// Start, one step, one epoch, and how far the training is.
function makeGo(state, training, text) {
  const note = make("p", { class: "refused", role: "alert" });
  const button = (key, name, press) => make("button", { type: "button", "data-key": key, onclick: press }, name);
  const begin = (goal) => {
    if (training.report?.trouble) return;
    note.textContent = countsOf(state.network, training)[training.settings.use] === 0 ? text.noExamples : "";
    if (note.textContent === "") goOn(training, goal);
    show();
  };
  const start = button("start", text.start, () => {
    if (training.running) stopTraining(training);
    else begin("on");
    show();
  });
  start.classList.add("train-main");
  const progress = make("progress");
  const where = make("span", { class: "soft" });
  const element = make("div", { class: "train-go" }, start, button("step", text.oneStep, () => begin("step")),
    button("epoch", text.oneEpoch, () => begin("epoch")), progress, where);
  function show() {
    const { report, running, inWorker } = training;
    start.textContent = running ? text.pause : text.start;
    const { epoch = 0, step = 0, at = 0, of = 1, speed = null, trouble = null } = report ?? {};
    Object.assign(progress, { max: Math.max(1, of), value: at });
    progress.setAttribute("aria-label", fillIn(text.progress, { epoch, step, at, of }));
    const pace = fillIn(inWorker ? text.inWorker : text.inPage, { speed: speed === null ? "" : Math.round(speed) });
    where.textContent = fillIn(text.progress, { epoch, step, at, of }) + (speed === null ? "" : ` · ${pace}`);
    if (trouble) note.textContent = text[trouble];
    else if (note.textContent === text.diverged) note.textContent = "";
    note.hidden = note.textContent === "";
  }
  return { element, note, show };
}

function makeSettings(state, training, text, refresh) {
  const { settings } = training;
  const counts = countsOf(state.network, training);
  const set = (patch) => setTraining(training, patch);
  const numbers = (list, value) => [list.map((one) => [String(one), String(one)]), String(value)];
  return make("div", { class: "view-controls train-settings" },
    selectField(text.batchSize, "batch", ...numbers(BATCHES, settings.batch), (value) => set({ batch: Number(value) })),
    selectField(text.rate, "rate", ...numbers(RATES, settings.rate), (value) => set({ rate: Number(value) })),
    selectField(text.optimizer, "optimizer", OPTIMIZERS.map((name) => [name, text[name]]), settings.optimizer,
      (optimizer) => set({ optimizer })),
    selectField(text.examples, "use", ["packed", "both", "drawn"].map((name) => [name, fillIn(text[name], { count: counts[name] })]),
      settings.use, (use) => {
        set({ use });
        refresh();
      }),
    selectField(text.from, "from", [["own", text.own], ...Object.keys(INITIALIZERS).map((name) => [name, name])], training.from,
      (from) => (training.from = from)),
    numberField(text.seed, "seed", settings.seed, 2 ** 31 - 1, (seed) => set({ seed })),
    make("button", { type: "button", "data-key": "anew", onclick: () => startAnew(state, training) }, text.anew));
}
