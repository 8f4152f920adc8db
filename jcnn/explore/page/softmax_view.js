// Softmax: from logits to probabilities, with the largest logit subtracted first.

import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { EQUALS, bracketed, equation } from "./equation.js";
import { choiceButton, fillPanel, selectUnit, shareBar, viewed, viewHead, viewTable } from "./view_panel.js";
import { viewWords } from "./view_words.js";

export function showSoftmax(panel, state) {
  const { layer, index, unit, x, y } = viewed(state);
  const text = viewWords[state.language];
  const count = layer.out.at(-1);
  const first = unit - (unit % count);
  const logits = x.slice(first, first + count);
  const probabilities = y.slice(first, first + count);
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  const chosen = unit - first;
  const names = layer.kind === "softmax" ? state.network.classes : [];
  const rows = Array.from(logits, (logit, at) => {
    const button = choiceButton(names[at] ?? String(at), `class-${at}`,
      () => selectUnit(index, first + at), at === chosen);
    const numbers = [logit, logit - largest, powers[at], probabilities[at]];
    return [button, ...numbers.map((number) => numeral(number, state.exact)),
      shareBar(probabilities[at])];
  });
  const total = probabilities.reduce((added, probability) => added + probability, 0);
  const sums = [sum, total].map((number, at) =>
    make("span", { "data-role": ["exp-sum", "total"][at] }, numeral(number, state.exact)));
  fillPanel(panel,
    viewHead(state, text.softmaxTitle),
    make("p", {}, text.softmaxIntro),
    make("p", { class: "formula" }, "p(k) = exp(z(k) − max z) / Σ exp(z(j) − max z)"),
    equation(state, ["max z", EQUALS, largest]),
    equation(state, ["exp(", logits[chosen], " − ", ...bracketed(largest), ")",
      EQUALS, powers[chosen]]),
    equation(state, ["p = ", powers[chosen], " / ", sum, EQUALS, probabilities[chosen]]),
    viewTable([text.softmaxClass, "z", "z − max", "exp", "p", ""], rows,
      [[text.softmaxSum, "", "", ...sums, ""]]));
}
