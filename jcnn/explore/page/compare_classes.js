// The classes of two models side by side, with their differences.

import { MODEL_LETTERS } from "./compare.js";
import { compareWords } from "./compare_words.js";
import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { indexOfLargest } from "./why_class.js";
import { fillIn } from "./words.js";

const MOST_CLASSES = 12; // of more, those with the largest probabilities are shown
const TOP_CLASSES = 8;
const MARKED = 0.05; // a difference of so much is marked

export function classDifferences(state, outputs) {
  const { network: { classes, pictures, models }, picture, language, exact } = state;
  const text = compareWords[language];
  const [a, b] = outputs.map((of) => of.at(-1));
  const best = [a, b].map(indexOfLargest);
  const label = picture === null ? null : pictures[picture].label;
  const most = (i) => Math.max(a[i], b[i]);
  const order = classes.map((_, i) => i);
  const shown = classes.length <= MOST_CLASSES ? order
    : order.sort((i, j) => most(j) - most(i) || i - j).slice(0, TOP_CLASSES);
  const bar = (value, k) => make("span", { class: `cmp-probability of-${MODEL_LETTERS[k]}` }, make("span", { style: { width: `${100 * value}%` } }));
  return make("section", { class: "cmp-classes" },
    make("h3", {}, text.compareClasses),
    best.map((one, k) => make("p", { class: "cmp-verdict", "data-model": MODEL_LETTERS[k] },
      make("b", {}, `${MODEL_LETTERS[k]} `), make("span", { class: "soft" }, `${models[k].own_name}: `), make("b", {}, classes[one]), " ", numeral(outputs[k].at(-1)[one], exact), " ",
      label !== null && make("span", { class: `verdict ${label === one ? "right" : "wrong"}` },
        label === one ? `✓ ${text.compareRight}` : `✗ ${fillIn(text.compareWrong, { label: classes[label] })}`))),
    make("p", { class: best[0] === best[1] ? "cmp-agree" : "cmp-agree apart" }, best[0] === best[1]
      ? fillIn(text.compareAgree, { class: classes[best[0]] })
      : fillIn(text.compareDisagree, { a: classes[best[0]], b: classes[best[1]] })),
    make("table", {}, make("thead", {}, make("tr", {}, make("td"), MODEL_LETTERS.map((letter) => make("th", { scope: "col" }, letter)),
      make("td"), make("th", { scope: "col" }, text.compareDifference))),
    make("tbody", {}, shown.map((i) => make("tr", { class: Math.abs(b[i] - a[i]) >= MARKED ? "apart" : null, "data-class": i },
      make("th", { scope: "row", title: classes[i] }, classes[i], label === i && " ✓"),
      make("td", {}, numeral(a[i], exact)), make("td", {}, numeral(b[i], exact)),
      make("td", { class: "bars-of" }, bar(a[i], 0), bar(b[i], 1)),
      make("td", { class: "cmp-apart" }, withSign(b[i] - a[i], exact)))))));
}

function withSign(value, exact) {
  const element = numeral(value, exact);
  if (value > 0) element.prepend("+");
  return element;
}
