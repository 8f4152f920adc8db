// One weight in numbers: its gradient as the mean over the pictures of the batch, and its update.

import { make } from "./dom.js";
import { bracketed, EQUALS, equation } from "./equation.js";
import { BETAS, EPSILON, MOMENTUM } from "./learn_update.js";
import { weightName } from "./train_filters.js";
import { fillIn } from "./words.js";

const MOST_TERMS = 3;

export function showWeight(box, state, text) {
  const { network, train: training } = state;
  const { report, watch } = training;
  const { layer: index, name, at } = watch;
  const layer = network.layers[index];
  const head = [
    make("h3", {}, `${text.weightTitle}: `, make("span", { class: "soft" }, `${layer.name}, ${weightName(text, network, watch)}`)),
  ];
  const seen = report?.watched;
  if (!seen || seen.watch.at !== at) {
    const weights = report?.weights[index][name] ?? layer.arrays[name].data;
    box.replaceChildren(...head, equation(state, [text.weightNow, weights[at]]), make("p", { class: "view-note" }, text.weightWait));
    return;
  }
  box.replaceChildren(...head,
    make("h4", {}, text.gradient), ...gradientLines(state, text, report.batch, seen),
    make("h4", {}, fillIn(text.update, { optimizer: text[seen.optimizer], rate: seen.rate })), ...UPDATES[seen.optimizer](state, seen));
}

// The largest terms, the sum of the others, and the quotient.
function gradientLines(state, text, batch, { gradient }) {
  const shares = batch.map(({ share }) => share).sort((a, b) => Math.abs(b) - Math.abs(a));
  const largest = shares.slice(0, MOST_TERMS);
  const others = shares.slice(MOST_TERMS);
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const terms = largest.flatMap((share, i) => (i ? [" + ", ...bracketed(share)] : [share]));
  if (others.length > 0) terms.push(" + ", ...bracketed(sum(others)), make("small", {}, ` (${fillIn(text.others, { count: others.length })})`));
  return [equation(state, ["Σ = ", ...terms, EQUALS, sum(shares)]),
    equation(state, ["g = Σ / ", batch.length, EQUALS, gradient])];
}

const UPDATES = {
  sgd: (state, seen) => updateLines(state, seen, ["g"]),
  momentum: (state, seen) => [
    equation(state, ["v ← ", seen.gradient, " + ", MOMENTUM, " × ", ...bracketed(seen.before.trace), EQUALS, seen.after.trace]),
    ...updateLines(state, seen, ["v"]),
  ],
  adam: (state, seen) => {
    const { corrections, gradient, before, after } = seen;
    return [
      equation(state, ["m ← ", BETAS[0], " × ", ...bracketed(before.mean), " + ", 0.1, " × ", ...bracketed(gradient), EQUALS, after.mean]),
      equation(state, ["s ← ", BETAS[1], " × ", before.square, " + ", 0.001, " × ", ...bracketed(gradient), "²", EQUALS, after.square]),
      equation(state, ["m̂ = m / ", corrections[0], EQUALS, after.mean / corrections[0]]),
      equation(state, ["ŝ = s / ", corrections[1], EQUALS, after.square / corrections[1]]),
      ...updateLines(state, seen, ["m̂ / (√ŝ + ", EPSILON, ")"]),
    ];
  },
};

// The step, and the weight after it.
function updateLines(state, { rate, before, after }, direction) {
  const step = before.weight - after.weight;
  return [equation(state, ["Δ = ", rate, " × ", ...direction, EQUALS, step]),
    equation(state, ["w ← ", before.weight, " − ", ...bracketed(step), EQUALS, after.weight])];
}
