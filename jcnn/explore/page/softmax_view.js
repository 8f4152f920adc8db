// Softmax: from logits to probabilities, with the largest logit subtracted first.

import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { EQUALS, bracketed, equation } from "./equation.js";
import { choiceButton, fillPanel, selectUnit, shareBar, viewed, viewHead, viewTable } from "./view_panel.js";
import { viewWords } from "./view_words.js";

const ROLES = ["z", "shift", "exp", "p"]; // of the numbers of a class
const MOST_SUMMANDS = 20;

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
    return [button, ...numbers.map((number, k) => linked(numeral(number, state.exact), ROLES[k], at)),
      shareBar(probabilities[at])];
  });
  const total = probabilities.reduce((added, probability) => added + probability, 0);
  const sums = [sum, total].map((number, at) =>
    make("span", { "data-role": ["exp-sum", "total"][at], "data-link": ["sum", "total"][at] }, numeral(number, state.exact)));
  const summands = count <= MOST_SUMMANDS && make("p", { class: "summands" }, "Σ exp = ", Array.from(powers, (power, at) =>
    [at > 0 ? " + " : "", linked(numeral(power, state.exact), "exp", at)]));
  fillPanel(panel,
    viewHead(state, text.softmaxTitle),
    make("p", {}, text.softmaxIntro),
    make("p", { class: "formula" }, "p(k) = exp(z(k) − max z) / Σ exp(z(j) − max z)"),
    equation(state, ["max z", EQUALS, largest]),
    equation(state, ["exp(", logits[chosen], " − ", ...bracketed(largest), ")",
      EQUALS, powers[chosen]]),
    summands,
    equation(state, ["p = ", powers[chosen], " / ", sum, EQUALS, probabilities[chosen]]),
    viewTable([text.softmaxClass, "z", "z − max", "exp", "p", ""], rows,
      [[text.softmaxSum, "", "", ...sums, ""]]));
  if (!panel.dataset.links) {
    panel.dataset.links = "true";
    panel.addEventListener("pointerover", ({ target }) => markLinks(panel, target));
    panel.addEventListener("pointerleave", () => markLinks(panel, null));
  }
}

function linked(element, role, at) {
  element.dataset.link = `${role}-${at}`;
  return element;
}

// Pointing at a number marks what it is computed from, and what is computed from it: the term in the sum,
// and the sum for a probability.
function markLinks(panel, target) {
  const link = target?.closest?.("[data-link]")?.dataset.link ?? "";
  const [role, at] = link.split("-");
  const marks = { z: ["z", "shift"], shift: ["z", "shift", "exp"], exp: ["shift", "exp", "p"], p: ["exp", "p"] }[role] ?? [];
  const names = new Set(marks.map((one) => `${one}-${at}`));
  if (role === "p" || role === "exp" || role === "sum") names.add("sum");
  for (const one of panel.querySelectorAll("[data-link]")) {
    const isTerm = role === "sum" && one.dataset.link.startsWith("exp-");
    one.classList.toggle("linked", isTerm || names.has(one.dataset.link));
  }
}
