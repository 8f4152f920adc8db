// The settings of the playground as a form, and the output size as a formula.

import { make } from "./dom.js";
import { numeral } from "./digits.js";
import { fillIn } from "./words.js";
import {
  MOST_CELLS, MOST_CHANNELS, MOST_SEED, MOST_UNITS, sameTotal, WITHOUT_WINDOW,
} from "./playground_window.js";

export const OPERATIONS = [
  "conv", "max_pool", "average_pool", "global_max_pool", "global_average_pool", "flatten", "dense", "dropout", "similarity",
];

// Fill `form` with the settings; `onChoice(patch)` gets {channels: 2}, {stride: [2, 1]}, ...
export function showChoices(form, text, choices, channels, onChoice) {
  const { operation } = choices;
  const pair = (name, label = text[name]) =>
    pairField(text, name, label, choices[name], (value) => onChoice({ [name]: value }));
  const global = operation.startsWith("global_");
  const slides = !WITHOUT_WINDOW.includes(operation) && !global;
  const filtered = operation === "conv" || operation === "similarity";
  const summed = operation === "conv" || operation === "dense";
  const numbers = (most) => Array.from({ length: most }, (_, i) => String(i + 1));
  const tick = (name) => checkField(name, text[name], choices[name], (on) => onChoice({ [name]: on }));
  form.replaceChildren(
    ...[
      choiceField("operation", text.operation, OPERATIONS, text, operation, (value) =>
        onChoice({ operation: value }),
      ),
      choiceField("channels", text.channels, numbers(MOST_CHANNELS), {}, String(channels), (value) =>
        onChoice({ channels: Number(value) }),
      ),
      pair("size"),
      slides && pair("kernel", filtered ? text.kernel : text.window),
      slides && paddingField(text, choices.padding, (padding) => onChoice({ padding })),
      slides && pair("stride"),
      operation === "conv" && pair("dilation"),
      filtered && choiceField("filters", text.filters, numbers(MOST_CHANNELS), {}, String(choices.filters), (value) =>
        onChoice({ filters: Number(value) }),
      ),
      operation === "dense" && choiceField("units", text.units, numbers(MOST_UNITS), {}, String(choices.units), (value) =>
        onChoice({ units: Number(value) }),
      ),
      summed && tick("bias"),
      summed && tick("relu"),
      operation === "dropout" && amountField("rate", text.rate, choices.rate, { min: 0, max: 0.99, step: "any" }, (rate) => onChoice({ rate })),
      operation === "dropout" && amountField("seed", text.seed, choices.seed, { min: 0, max: MOST_SEED, step: 1 }, (seed) => onChoice({ seed })),
    ].filter(Boolean),
  );
}

function choiceField(name, label, values, names, chosen, onChange) {
  const options = values.map((value) => make("option", { value }, names[value] ?? value));
  const select = make("select", { name }, options);
  select.value = chosen;
  select.addEventListener("change", () => onChange(select.value));
  return make("label", { class: "pg-field" }, make("span", {}, label), select);
}

function checkField(name, label, checked, onChange) {
  const field = make("input", { type: "checkbox", name, checked });
  field.addEventListener("change", () => onChange(field.checked));
  return make("label", { class: "pg-field pg-check" }, make("span", {}, label), field);
}

function amountField(name, label, value, limits, onChange) {
  const field = make("input", { type: "number", name, ...limits });
  field.value = value;
  field.addEventListener("change", () => onChange(countOf(field)));
  return make("label", { class: "pg-field" }, make("span", {}, label), field);
}

function pairField(text, name, label, pair, onChange) {
  const fields = ["rows_of", "columns_of"].map((word, axis) =>
    countField(`${name}_${axis}`, fillIn(text[word], { what: label }), pair[axis]),
  );
  for (const field of fields) {
    field.addEventListener("change", () => onChange(fields.map(countOf)));
  }
  const names = { class: "pg-field", role: "group", "aria-label": label };
  return make("div", names, make("span", {}, label), make("div", { class: "pg-pair" }, fields[0], " × ", fields[1]));
}

function paddingField(text, padding, onChange) {
  const number = typeof padding === "number" || padding === "";
  const cells = countField("padding_cells", text.padding_cells, number ? padding : 1);
  cells.min = 0;
  cells.hidden = !number;
  const choose = (kind) => {
    cells.hidden = kind !== "number";
    onChange(kind === "number" ? countOf(cells) : kind);
  };
  const kinds = ["valid", "same", "number"];
  const field = choiceField("padding", text.padding, kinds, text, number ? "number" : padding, choose);
  cells.addEventListener("change", () => onChange(countOf(cells)));
  return make("div", { class: "pg-field-wide" }, field, cells);
}

function countField(name, label, value) {
  const attributes = { type: "number", name, min: 1, max: MOST_CELLS, step: 1, "aria-label": label };
  const field = make("input", attributes);
  field.value = value;
  return field;
}

// The number in a field, or "" if it is empty.
const countOf = (field) => (Number.isNaN(field.valueAsNumber) ? "" : field.valueAsNumber);

// Mark the fields that an error names.
export function markRefused(form, refusal) {
  const name = { in_hw: "size" }[refusal?.values.name] ?? refusal?.values.name;
  const word = refusal?.word;
  const blamed = (field) =>
    word === `refused_${field.name}` ||
    (name !== undefined && field.name.startsWith(`${name}_`)) ||
    (word === "refused_fit" && /^(kernel|dilation)_/.test(field.name)) ||
    (/refused_(padding|pooling|padded)/.test(word) && field.name.startsWith("padding"));
  for (const field of form.elements) {
    if (blamed(field)) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

// The output size, with the formula and its numbers.
export function showFormula(box, text, choices, window, channels) {
  const [rows, columns] = window.inSize;
  const count = rows * columns * channels;
  const { operation, units, bias, rate } = choices;
  if (operation === "dense") {
    const weights = ["weights_count", `${count} × ${units}${bias ? ` + ${units}` : ""} = `, (count + bias) * units];
    box.replaceChildren(make("p", { class: "pg-rule" }, text.formula_dense), formulaLine(text, weights));
    return;
  }
  if (operation === "dropout") {
    const scale = ["scale", `1 ÷ (1 − ${rate}) = `, 1 / (1 - rate)];
    box.replaceChildren(make("p", { class: "pg-rule" }, text.formula_dropout), formulaLine(text, scale));
    return;
  }
  if (operation === "flatten") {
    const line = ["cells", `${rows} × ${columns} × ${channels} = `, count];
    box.replaceChildren(make("p", { class: "pg-rule" }, text.formula_flatten), formulaLine(text, line));
    return;
  }
  const lines = ["rows", "columns"].map((axisName, axis) => {
    const [before, after] = window.padding[axis];
    const [cells, kernel] = [window.inSize[axis], window.kernel[axis]];
    const [stride, dilation, span] = [window.stride[axis], window.dilation[axis], window.span[axis]];
    const of =
      dilation === 1 ? "" : `,  ${span} = (${kernel} − 1) × ${dilation} + 1`;
    const total = sameTotal(cells, span, stride);
    const split =
      choices.padding === "same" ? `  (${fillIn(text.same_split, { total, before, after })})` : "";
    const formula = `⌊(${cells} + ${before} + ${after} − ${span}) ÷ ${stride}⌋ + 1 = `;
    return formulaLine(text, [axisName, formula, window.outSize[axis]], of + split);
  });
  box.replaceChildren(make("p", { class: "pg-rule" }, text.formula), ...lines);
}

function formulaLine(text, [name, formula, value], more = "") {
  return make(
    "p",
    { class: "pg-formula-line", "data-axis": name },
    make("span", { class: "pg-axis" }, text[name]),
    make("span", {}, formula, make("strong", {}, numeral(value, Number.isInteger(value))), more),
  );
}
