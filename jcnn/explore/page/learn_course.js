// The course of a training: its examples, batches, epochs and updates. It runs in a worker or in the
// page, and knows neither.

import { clearSums, crossEntropy, learnExample, makeModel, meanGradients, runExample, sumAt } from "./learn_example.js";
import { shuffledRows } from "./learn_random.js";
import { BETAS, makeMemory, moveWeights } from "./learn_update.js";
import { isTrained, weightsOf } from "./learn_weights.js";

// The packed pictures in an order drawn at build time: the last fifth is held out.
export function heldOutOf(count) {
  return Math.floor(count / 5);
}

// `pictures` are pixels, `settings` {batch, rate, optimizer, seed, use}: `use` is "packed", "both" or
// "drawn". Example n is picture n, or drawing n - pictures.length.
export function makeCourse({ layers, scale, pictures, labels, settings, watch }) {
  const course = { model: makeModel(layers), scale, pictures, labels, drawn: { pictures: [], labels: [] }, settings, watch };
  restart(course, weightsOf(layers));
  return course;
}

// Start anew with these parameters, for each layer {name: numbers}.
export function restart(course, weights) {
  weights.forEach((arrays, i) => {
    for (const [name, numbers] of Object.entries(arrays)) course.model.layers[i].arrays[name].data.set(numbers);
  });
  Object.assign(course, { run: (course.run ?? -1) + 1, step: 0, epoch: 0, steps: [], scores: [], batch: null, watched: null, trouble: null });
  forgetMoments(course);
  beginEpoch(course);
}

export function changeSettings(course, patch) {
  const before = course.settings;
  course.settings = { ...before, ...patch };
  if (course.settings.optimizer !== before.optimizer) forgetMoments(course);
  if (course.settings.use !== before.use || course.settings.seed !== before.seed) beginEpoch(course);
}

export function replaceDrawn(course, drawn) {
  course.drawn = drawn;
  beginEpoch(course);
}

function forgetMoments(course) {
  course.update = 0;
  course.memory = makeMemory(course.settings.optimizer, weightsOf(course.model.layers));
}

// The examples to learn, and their order in this epoch.
function beginEpoch(course) {
  const { pictures, drawn, settings } = course;
  const packed = settings.use === "drawn" ? 0 : pictures.length - heldOutOf(pictures.length);
  const count = packed + (settings.use === "packed" ? 0 : drawn.pictures.length);
  const order = shuffledRows(count, settings.seed, course.epoch);
  course.order = order.map((n) => (n < packed ? n : n - packed + pictures.length));
  Object.assign(course, { at: 0, right: 0 });
}

// The input and the class of an example. The model takes float32 pixels.
export function learnedPicture({ pictures, labels, drawn, scale }, n) {
  const [from, row] = n < pictures.length ? [{ pictures, labels }, n] : [drawn, n - pictures.length];
  return { x: Float64Array.from(from.pictures[row], (pixel) => Math.fround(pixel / scale)), label: from.labels[row] };
}

// One step, in parts between which the caller can rest: for each example of the batch the loss and its
// gradient, then the update. The last step of an epoch also has the accuracies.
export function* learnBatch(course) {
  const { model, settings, watch } = course;
  if (course.at >= course.order.length) beginEpoch(course);
  const rows = course.order.slice(course.at, course.at + settings.batch);
  if (rows.length === 0) return;
  clearSums(model);
  const batch = [];
  for (const [place, n] of rows.entries()) {
    const { x, label } = learnedPicture(course, n);
    const before = sumAt(model, watch);
    const { loss, probabilities } = learnExample(model, x, label, [settings.seed, course.step, place]);
    batch.push({ n, label, loss, predicted: largestAt(probabilities), share: sumAt(model, watch) - before });
    yield;
  }
  update(course, meanGradients(model, batch.length), watch);
  const right = batch.filter(({ label, predicted }) => label === predicted).length;
  const loss = batch.reduce((sum, one) => sum + one.loss, 0) / batch.length;
  course.step += 1;
  course.at += batch.length;
  course.right += right;
  course.batch = batch;
  course.steps.push({ step: course.step, loss });
  if (!Number.isFinite(loss)) course.trouble = "diverged";
  if (course.at < course.order.length) return;
  course.epoch += 1;
  const learned = course.right / course.order.length;
  course.scores.push({ step: course.step, epoch: course.epoch, learned, held: yield* heldScore(course) });
}

// The share of the held-out pictures that are classified right, in eval mode; null without any.
export function* heldScore(course) {
  const { model, pictures } = course;
  const count = heldOutOf(pictures.length);
  let right = 0;
  for (let n = pictures.length - count; n < pictures.length; n++) {
    const { x, label } = learnedPicture(course, n);
    const { outputs } = runExample(model, x);
    if (largestAt(crossEntropy(outputs[model.layers.at(-1).inputs[0]], label).probabilities) === label) right += 1;
    yield;
  }
  return count > 0 ? right / count : null;
}

function update(course, gradients, watch) {
  const { model, settings, memory } = course;
  const { optimizer, rate } = settings;
  course.update += 1;
  const read = () => {
    const kept = Object.entries(memory[watch.layer][watch.name]).map(([name, numbers]) => [name, numbers[watch.at]]);
    return { weight: model.layers[watch.layer].arrays[watch.name].data[watch.at], ...Object.fromEntries(kept) };
  };
  const before = read();
  model.layers.forEach((layer, i) => {
    if (!isTrained(layer)) return;
    for (const [name, { data }] of Object.entries(layer.arrays)) {
      moveWeights(optimizer, rate, course.update, data, gradients[i][name], memory[i][name]);
    }
  });
  course.gradients = gradients;
  course.watched = { watch, optimizer, rate, corrections: BETAS.map((beta) => 1 - beta ** course.update),
    gradient: gradients[watch.layer][watch.name][watch.at], before, after: read() };
}

function largestAt(values) {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}
