// A dense unit: every input times its weight, and the bias.

import { make } from "./dom.js";
import { makeEditable } from "./edit_cell.js";
import { termsOf } from "./terms.js";
import { termsTable } from "./terms_table.js";
import { fillPanel, cellText, viewHead, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn, words } from "./words.js";

export function showDense(panel, state) {
  const { layer, index, unit, x } = viewed(state);
  const { layers, classes } = state.network;
  const text = viewWords[state.language];
  const cells = flattenedMaps(layers, layer.inputs[0])?.shape;
  const { kernel, bias } = layer.arrays;
  const edit = {
    weight: (cell, input) => makeEditable(cell, index, kernel, input * layer.out[0] + unit, `w(${input}, ${unit})`),
    bias: (cell) => makeEditable(cell, index, bias, unit, `b(${unit})`),
  };
  const isLogit = layers.some(({ kind, inputs }) => kind === "softmax" && inputs[0] === index + 1);
  fillPanel(panel,
    viewHead(state, isLogit ? `${text.denseTitle}: ${classes[unit]}` : text.denseTitle),
    make("p", {}, fillIn(bias ? text.denseIntro : text.denseIntroPlain, { inputs: layer.in[0], unit })),
    make("p", { class: "view-note" }, words(state.language).edit_note),
    make("p", { class: "formula" }, `y(${unit}) = Σ x(i) × w(i, ${unit})${bias ? ` + b(${unit})` : ""}`),
    termsTable(state, { ...termsOf(layer, x, unit), ...(bias ? {} : { bias: null }) },
      [text.denseInput, ...(cells ? [text.flattenCell] : [])],
      (input) => [String(input), ...(cells ? [cellText(cells, input)] : [])], edit));
}

// The maps that outputs[at] is a flatten of, {output, shape}, so that an input has a cell (row, column,
// channel), too; null if it is none, or of single cells.
export function flattenedMaps(layers, at) {
  const before = layers[at - 1];
  if (before === undefined || before.kind === "dense" || before.inputs.length > 1) return null;
  if (before.kind !== "flatten") return flattenedMaps(layers, before.inputs[0]);
  return before.in.length === 3 && before.in[0] * before.in[1] > 1 ? { output: before.inputs[0], shape: before.in } : null;
}
