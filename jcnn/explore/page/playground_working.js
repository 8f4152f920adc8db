// The computation of one output cell: products and sum, maximum, mean, or index.

import { make } from "./dom.js";
import { equalsSign, numeral, written } from "./digits.js";
import { playTerms } from "./playground_run.js";
import { fillIn } from "./words.js";

// `answer`: whether to show the result; `value`: the output, behind the ReLU.
export function workingOf(text, layer, x, unit, exact, answer, value) {
  const { terms, result, bias, equal } = playTerms(layer, x, unit);
  const options = { text, exact, answer };
  const working = WORKINGS[layer.kind] ?? poolWorking;
  const lines = working(options, layer, terms, result, { unit, bias, equal, value });
  if (!answer || !layer.relu) return lines;
  const said = fillIn(text.relu_sum, { value: written(result, exact), result: written(value, exact) });
  return [...lines, valueLine(said, value)];
}

const WORKINGS = {
  conv: convWorking,
  similarity: similarityWorking,
  dense: denseWorking,
  dropout: dropoutWorking,
  flatten: (options, layer, _, result, { unit }) => [flattenWorking(options, layer, unit, result)],
};

function valueLine(said, value) {
  const line = make("p", { class: "pg-sum" }, said);
  line.dataset.value = String(value);
  return line;
}

function convWorking({ text, exact, answer }, layer, terms, result, { bias }) {
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
  const all = sums.reduce((a, b) => a + b, 0);
  const total = answer && channels > 1 && sumLine(text.sum_channels, sums, all, exact, "pg-total");
  const added = answer && biasLine(text, layer, all, bias, result, exact);
  const task = !answer && make("p", { class: "pg-task" }, text.add_up);
  return [make("div", { class: "pg-parts" }, parts.map((part) => part.shown)), total, added, task].filter(Boolean);
}

function biasLine(text, layer, sum, bias, result, exact) {
  if (!layer.arrays.bias) return null;
  const shown = written(bias, exact);
  const words = {
    sum: written(sum, exact), bias: bias < 0 ? `(${shown})` : shown,
    equals: equalsSign([sum, bias], result, exact), value: written(result, exact),
  };
  return valueLine(fillIn(text.bias_sum, words), result);
}

function denseWorking({ text, exact, answer }, layer, terms, result, { bias }) {
  const products = terms.map((term) => term.product);
  const sum = products.reduce((a, b) => a + b, 0);
  const columns = Math.min(6, Math.ceil(Math.sqrt(terms.length)));
  return [
    productGrid(text, terms, columns, exact),
    answer ? sumLine(text.sum, products, sum, exact, "pg-total") : make("p", { class: "pg-task" }, text.add_up),
    answer && biasLine(text, layer, sum, bias, result, exact),
  ].filter(Boolean);
}

function dropoutWorking({ text, exact, answer }, layer, [{ value: x }], _, { unit, value: result }) {
  if (!answer) return [make("p", { class: "pg-task" }, fillIn(text.take_mask, { value: written(x, exact) }))];
  const [mask, scale] = [layer.mask[unit], layer.scale];
  const same = [x, scale, result].every((number) => written(number, exact) === written(number, true));
  const words = {
    value: written(x, exact), mask, scale: written(scale, exact), equals: same ? "=" : "≈", result: written(result, exact),
  };
  return [valueLine(fillIn(text.mask_sum, words), result)];
}

function similarityWorking({ text, exact, answer }, layer, terms, result, { equal }) {
  const [, columns, channels] = layer.arrays.kernel.shape;
  const parts = Array.from({ length: channels }, (_, channel) => {
    const own = terms.filter((term) => term.channel === channel);
    const heading = channels > 1 && make("h4", {}, fillIn(text.channel, { channel }));
    return make("div", { class: "pg-part" }, heading, equalGrid(text, own, columns, exact));
  });
  const same = written(result, exact) === written(result, true);
  const words = { equal, count: terms.length, equals: same ? "=" : "≈", value: written(result, exact) };
  const line = answer ? valueLine(fillIn(text.equal_sum, words), result) : make("p", { class: "pg-task" }, fillIn(text.count_equal, words));
  return [make("div", { class: "pg-parts" }, parts), line];
}

function equalGrid(text, terms, columns, exact) {
  return termGrid(text.similarity_products, terms, columns, ({ value, weight, product }) => [
    make("span", { class: "pg-factors" }, numeral(value, exact), product ? " = " : " ≠ ", numeral(weight, exact)),
    make("span", { class: "pg-result" }, product ? "✓ " : "✗ ", numeral(product, exact)),
  ]);
}

function productGrid(text, terms, columns, exact) {
  return termGrid(text.products, terms, columns, ({ value, weight, product }) => [
    make("span", { class: "pg-factors" }, numeral(value, exact), " × ", inBrackets(weight, exact)),
    make("span", { class: "pg-result" }, "= ", numeral(product, exact)),
  ]);
}

// The terms in rows of `columns`; `content` gives the two lines of a cell.
function termGrid(label, terms, columns, content) {
  const cells = terms.map((term) =>
    make("div", { class: term.source < 0 ? "pg-product pg-padding" : "pg-product", role: "cell" }, content(term)),
  );
  const rows = [];
  for (let i = 0; i < cells.length; i += columns) {
    rows.push(make("div", { class: "pg-row", role: "row" }, cells.slice(i, i + columns)));
  }
  return make("div", { class: "pg-products", role: "table", "aria-label": label }, rows);
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
