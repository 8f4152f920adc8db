// The training of this page: its settings, what its reports have said, and the learned weights, which
// the whole page shows.

import { originalNumbers, replaceParameters } from "./edits.js";
import { heldOutOf } from "./learn_course.js";
import { openLearning } from "./learn_link.js";
import { initialWeights, isTrained, weightsOf } from "./learn_weights.js";
import { middleWeight } from "./train_filters.js";

const BETWEEN_LIVE = 400; // milliseconds between changes of the network's page, while learning

// Begin with the weights of the page. `training.refresh(report)` is called after each report.
export function openTraining(state) {
  const { layers, learn, input } = state.network;
  const layer = layers.findIndex(isTrained);
  const copied = layers.map((one) => ({ ...one, arrays: Object.fromEntries(Object.entries(one.arrays).map(
    ([name, array]) => [name, { data: originalNumbers(array).slice(), shape: array.shape }])) }));
  const training = {
    settings: { batch: 32, rate: 0.001, optimizer: "adam", seed: 0, use: "packed" },
    from: "own", own: weightsOf(copied), watch: { layer, name: "kernel", at: middleWeight(state.network, layer) },
    drawn: { pictures: [], labels: [] }, run: 0, steps: [], scores: [], report: null, running: false, stopping: false,
    inWorker: null, shownAt: 0, refresh: () => {},
  };
  const open = () => training.send("open", { layers: copied, scale: input.scale, pictures: learn.pictures,
    labels: learn.labels, settings: training.settings, watch: training.watch });
  training.send = openLearning((report, inWorker) => receive(state, training, report, inWorker), () => {
    open();
    training.send("drawn", training.drawn);
    training.run = -1;
    startAnew(state, training);
  });
  open();
  return training;
}

export function setTraining(training, patch) {
  Object.assign(training.settings, patch);
  training.send("settings", patch);
}

export function watchWeight(training, at) {
  training.watch = { ...training.watch, at };
  training.send("watch", training.watch);
}

// Start anew, with the weights that came with the page or with random ones.
export function startAnew(state, training) {
  const { from, own, settings } = training;
  training.send("weights", from === "own" ? own : initialWeights(state.network.layers, from, settings.seed));
}

// After the page's own weights are restored.
export function resetTraining(state) {
  if (!(state.train.report?.step > 0)) return;
  state.train.from = "own";
  startAnew(state, state.train);
}

export function changeDrawn(training, drawn) {
  training.drawn = drawn;
  training.send("drawn", drawn);
}

// Begin to learn until `goal` ("step", "epoch", "on"), or stop.
export function goOn(training, goal) {
  Object.assign(training, { running: true, stopping: false });
  training.send("go", goal);
}

export function stopTraining(training) {
  Object.assign(training, { running: false, stopping: true });
  training.send("stop");
}

// How many pictures are learned: packed ones without those held out, and drawn ones.
export function countsOf({ learn }, { drawn }) {
  const all = learn.pictures.length;
  const held = heldOutOf(all);
  return { held, packed: all - held, both: all - held + drawn.pictures.length, drawn: drawn.pictures.length };
}

// The pixels of example n.
export function pixelsOf({ learn }, { drawn }, n) {
  return n < learn.pictures.length ? learn.pictures[n] : drawn.pictures[n - learn.pictures.length];
}

function receive(state, training, report, inWorker) {
  const anew = report.run !== training.run;
  if (anew) Object.assign(training, { run: report.run, steps: [], scores: [] });
  training.steps.push(...report.steps);
  training.scores.push(...report.scores);
  const ended = training.report?.running && !report.running;
  // A report on its way when the training was stopped does not say that it runs again.
  if (!report.running) training.stopping = false;
  Object.assign(training, { report, inWorker, running: report.running && !training.stopping });
  training.refresh(ended);
  const now = performance.now();
  const changes = report.step > 0 || report.run > 0;
  if (!changes || (report.running && now - training.shownAt < BETWEEN_LIVE)) return;
  training.shownAt = now;
  // A diverged network has numbers that no map can show.
  if (report.trouble) return;
  const own = report.step === 0 && training.from === "own";
  replaceParameters(state.network.layers.map(({ arrays }, i) => ({
    ...Object.fromEntries(Object.entries(arrays).map(([name, { data }]) => [name, data])), ...report.weights[i] })),
    own ? { edited: false } : {});
}
