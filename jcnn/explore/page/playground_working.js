// The computation of one output cell: products and sum, maximum, mean, or index.

import { make } from "./dom.js";
import { equalsSign, numeral, written } from "./digits.js";
import { termsOf } from "./terms.js";
import { fillIn } from "./words.js";

// `answer`: whether to show the result.
export function workingOf(text, layer, x, unit, exact, answer) {
  const { terms, result } = termsOf(layer, x, unit);
  const options = { text, exact, answer };
  if (layer.kind === "conv") return convWorking(options, layer, terms, result);
  if (layer.kind === "flatten") return [flattenWorking(options, layer, unit, result)];
  return poolWorking(options, layer, terms, result);
}

function convWorking({ text, exact, answer }, layer, terms, result) {
  const [, columns, channels] = layer.arrays.kernel.shape;
  const parts = Array.from({ length: channels }, (_, channel) => {
    const own = terms.filter((term) => term.channel === channel);
    const products = own.map((term) => term.product);
    const sum = products.reduce((a, b) => a + b, 0);
    const heading = channels > 1 && make("h4", {}, fillIn(text.channel, { channel }));
    const working = answer && sumLine(text.sum, products, sum, exact, "pg-channel-sum");
    return { sum, shown: make("div", { class: "pg-part" }, heading, productGrid(text, own, columns, exact), working) };
  });
  const sums = parts.map((part) => part.sum);
  const total = answer && channels > 1 && sumLine(text.sum_channels, sums, result, exact, "pg-total");
  const task = !answer && make("p", { class: "pg-task" }, text.add_up);
  return [make("div", { class: "pg-parts" }, parts.map((part) => part.shown)), total, task].filter(Boolean);
}

function productGrid(text, terms, columns, exact) {
  const cells = terms.map(({ value, weight, product, source }) =>
    make(
      "div",
      { class: source < 0 ? "pg-product pg-padding" : "pg-product", role: "cell" },
      make("span", { class: "pg-factors" }, numeral(value, exact), " × ", inBrackets(weight, exact)),
      make("span", { class: "pg-result" }, "= ", numeral(product, exact)),
    ),
  );
  const rows = [];
  for (let i = 0; i < cells.length; i += columns) {
    rows.push(make("div", { class: "pg-row", role: "row" }, cells.slice(i, i + columns)));
  }
  return make("div", { class: "pg-products", role: "table", "aria-label": text.products }, rows);
}

function sumLine(label, parts, total, exact, name) {
  const added = parts.flatMap((part, index) => [index ? " + " : "", inBrackets(part, exact)]);
  const equals = ` ${equalsSign(parts, total, exact)} `;
  const sum = make("strong", { class: name }, numeral(total, exact));
  return make("p", { class: "pg-sum" }, make("span", { class: "pg-axis" }, label), make("span", {}, added, equals, sum));
}

// Put a negative number after an operator in brackets.
function inBrackets(value, exact) {
  const number = numeral(value, exact);
  return value < 0 ? make("span", {}, "(", number, ")") : number;
}

function poolWorking({ text, exact, answer }, layer, terms, result) {
  const inside = terms.filter((term) => term.source >= 0);
  const most = layer.kind === "max_pool";
  const numbers = inside.map(({ value }, index) => {
    const number = written(value, exact);
    return value < 0 && index > 0 && !most ? `(${number})` : number;
  });
  const values = numbers.join(most ? ", " : " + ");
  const whole = [result, ...inside.map(({ value }) => value)].every(
    (number) => written(number, exact) === written(number, true),
  );
  const words = { values, count: inside.length, equals: whole ? "=" : "≈", value: written(result, exact) };
  const sentence = most ? text.largest : text.mean;
  const asked = most ? text.take_largest : text.take_mean;
  const line = make("p", { class: answer ? "pg-sum" : "pg-task" }, fillIn(answer ? sentence : asked, words));
  if (answer) line.dataset.value = String(result);
  const left = inside.length < terms.length && make("p", { class: "pg-note" }, text.left_out);
  return [line, left].filter(Boolean);
}

function flattenWorking({ text, answer }, layer, unit, result) {
  if (!answer) return make("p", { class: "pg-task" }, text.count_slot);
  const [, width, channels] = layer.in;
  const cell = Math.floor(unit / channels);
  const [row, column] = [Math.floor(cell / width), cell % width];
  const words = { row, width, column, channels, channel: unit % channels, slot: unit };
  const line = make("p", { class: "pg-sum" }, fillIn(text.slot, words));
  line.dataset.value = String(result);
  return line;
}
