// Shared parts of the views: the head with the position of the unit, and controls that keep the focus.

import { cssColour } from "./colour.js";
import { make } from "./dom.js";
import { placeOf, unitAt } from "./shapes.js";
import { change } from "./state.js";
import { viewWords } from "./view_words.js";

// Rebuild a panel and restore the focus by data-key.
export function fillPanel(panel, ...children) {
  const focused = document.activeElement;
  const key = panel.contains(focused) ? focused.dataset.key : undefined;
  panel.replaceChildren(...children.flat().filter(Boolean));
  if (key !== undefined) panel.querySelector(`[data-key="${key}"]`)?.focus();
}

// The subject of a view: layer, (first) input, output, and position of the unit.
export function viewed(state) {
  const { layer: index, unit } = state.selected;
  const layer = state.network.layers[index];
  const x = state.outputs[layer.inputs[0]];
  const y = state.outputs[index + 1];
  return { index, unit, layer, x, y, place: placeOf(layer.out, unit) };
}

// "(row, column, channel)" of a unit, or its index if the shape has one axis.
export function cellText(shape, unit) {
  const { row, column, channel } = placeOf(shape, unit);
  return shape.length === 3 ? `(${row}, ${column}, ${channel})` : String(unit);
}

export function shapeText(shape) {
  return shape.join(" × ");
}

// Title, shapes, and fields for the position of the unit.
export function viewHead(state, title) {
  const { layer, index, unit } = viewed(state);
  const text = viewWords[state.language];
  return make("header", { class: "view-head" },
    make("h3", {}, title),
    make("p", { class: "view-shapes" }, `${layer.name}: ${(layer.ins ?? [layer.in]).map(shapeText).join(", ")} → ${shapeText(layer.out)}`),
    make("div", { class: "view-controls" },
      ...placeFields(state, layer.out, unit, "out", (chosen) => selectUnit(index, chosen))),
    ...(state.exact ? [make("p", { class: "view-note" }, text.viewExactNote)] : []));
}

export function selectUnit(layer, unit) {
  change({ selected: { layer, unit } });
}

// A number field for each axis of a position.
export function placeFields(state, shape, unit, key, choose) {
  const text = viewWords[state.language];
  const { row, column, channel } = placeOf(shape, unit);
  const field = (name, axis, number, size, unitOf) =>
    numberField(name, `${key}-${axis}`, number, size - 1, (typed) => choose(unitOf(typed)));
  if (shape.length === 1) return [field(text.viewUnit, "unit", unit, shape[0], (i) => i)];
  return [
    field(text.viewRow, "row", row, shape[0], (r) => unitAt(shape, r, column, channel)),
    field(text.viewColumn, "column", column, shape[1], (c) => unitAt(shape, row, c, channel)),
    field(text.viewChannel, "channel", channel, shape[2], (k) => unitAt(shape, row, column, k)),
  ];
}

// A field for an integer from `first` to `last`; other numbers are clamped.
export function numberField(name, key, number, last, choose, first = 0) {
  const input = make("input", {
    type: "number", min: first, max: last, step: 1, value: number, "data-key": key,
    onchange: () => {
      const typed = Math.round(Number(input.value)) || 0;
      choose(Math.min(Math.max(typed, first), last));
    },
  });
  return make("label", { class: "view-number" }, `${name} `, input);
}

// `options` are [value, label].
export function selectField(name, key, options, value, choose) {
  const select = make("select", { "data-key": key, onchange: () => choose(select.value) },
    options.map(([option, label]) => make("option", { value: option, selected: option === value }, label)));
  return make("label", { class: "view-number" }, `${name} `, select);
}

export function checkBox(name, key, checked, choose) {
  const onchange = () => choose(input.checked);
  const input = make("input", { type: "checkbox", "data-key": key, checked, onchange });
  return make("label", { class: "view-check" }, input, ` ${name}`);
}

// A button; an inactive one stays in place, so that it keeps the focus.
export function stepButton(name, key, press, enabled) {
  return make(
    "button",
    { type: "button", "data-key": key, "aria-disabled": String(!enabled), onclick: enabled && press },
    name,
  );
}

// A button of a group, one of which is pressed.
export function choiceButton(name, key, press, pressed) {
  return make(
    "button",
    { type: "button", "data-key": key, "aria-pressed": String(pressed), onclick: press },
    name,
  );
}

// A table in a scrolling box; each cell is a string, an element or a list.
export function viewTable(heads, rows, foot = []) {
  const cells = (tag, row) => make("tr", {}, ...row.map(
    (cell) => make(tag, { scope: tag === "th" && "col" }, cell),
  ));
  return make("div", { class: "view-scroll" }, make("table", { class: "view-table" },
    make("thead", {}, cells("th", heads)),
    make("tbody", {}, ...rows.map((row) => cells("td", row))),
    make("tfoot", {}, ...foot.map((row) => cells("td", row)))));
}

// A bar for a number of 0..1.
export function shareBar(share) {
  const fill = make("span", { class: "term-fill share", style: { width: `${100 * share}%` } });
  return make("span", { class: "term-bar", "aria-hidden": "true" }, fill);
}

// A bar from the middle to the left or right, with the length |number| / `largest`.
export function viewBar(number, largest) {
  const share = largest > 0 ? Math.abs(number) / largest : 0;
  const fill = make("span", {
    class: number < 0 ? "term-fill below" : "term-fill above",
    style: { width: `${50 * share}%`, background: cssColour(2 * Math.sign(number), 3) },
  });
  return make("span", { class: "term-bar", "aria-hidden": "true" }, fill);
}
