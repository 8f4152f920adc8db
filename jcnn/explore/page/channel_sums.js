// The channels of an opened unit, largest first: which of them are shown, the sum of the others, and the
// equation of their sums.

import { equalsSign, numeral } from "./digits.js";
import { make } from "./dom.js";
import { fillIn } from "./words.js";

// The channels in the order of what they add in (.., channels) numbers: largest sums of magnitudes first.
export function largestFirst(added, channels) {
  const sizes = new Float64Array(channels);
  for (let i = 0; i < added.length; i++) sizes[i % channels] += Math.abs(added[i]);
  return [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a] || a - b);
}

// Fill `line`, below the `rows` channels of a page, with the button for the next ones; returns where their
// sum is written.
export function fillRest(line, count, rows, page, turnTo, w) {
  const left = count - (page + 1) * rows;
  const sum = make("span", { class: "others-sum" });
  const focused = line.contains(document.activeElement);
  line.replaceChildren(
    make("button", { type: "button", "data-part": "more", onclick: () => turnTo(left > 0 ? page + 1 : 0) },
      left > 0 ? fillIn(w.and_more, { count: left }) : w.first_ones),
    sum);
  if (focused) line.firstChild.focus();
  return sum;
}

export function othersName(count, w) {
  return fillIn(w.others, { count });
}

// Write the sum of the channels into `line`: `parts` are {name, kind, value}, and `edit(element)` makes
// the part of kind "bias" editable.
export function fillSum(line, parts, result, exact, w, edit) {
  const part = ({ name, kind, value }) =>
    make("span", { class: `part ${kind}` }, make("small", {}, name), numeral(value, exact));
  const focused = line.contains(document.activeElement); // on the bias
  const elements = parts.map((one) => {
    const element = part(one);
    if (one.kind === "bias") edit(element.lastChild);
    return element;
  });
  const sign = equalsSign(parts.map(({ value }) => value), result, exact);
  line.replaceChildren(
    ...elements.flatMap((one, i) => (i === 0 ? [one] : [make("span", { class: "sign" }, "+"), one])),
    make("span", { class: "sign equals" }, sign), part({ name: w.total, kind: "total", value: result }));
  if (focused) line.querySelector('[data-part="bias"]')?.focus();
}
