// What is said of a unit: its name, its value, what it reads.

import { numeral, written } from "./digits.js";
import { make } from "./dom.js";
import { fieldSentence } from "./field_view.js";
import { receptiveFields } from "./receptive_field.js";
import { placeOf, sizeOf } from "./shapes.js";
import { state } from "./state.js";
import { sourcesByInput } from "./terms.js";
import { viewWords } from "./view_words.js";
import { fillIn, words } from "./words.js";

export function fieldOf({ index, unit }) {
  return receptiveFields(state.network.layers, index - 1, unit)[0];
}

// "conv2d, channel 3, row 4, column 5"
export function unitName(index, unit) {
  const w = words(state.language);
  const shape = index === 0 ? state.network.input.shape : state.network.layers[index - 1].out;
  if (shape.length !== 3) {
    const name = sizeOf(shape) === state.network.classes.length && index > 0 ? ` (${state.network.classes[unit]})` : "";
    return `${nameOf(index)}, ${w.unit} ${unit}${name}`;
  }
  const { row, column, channel } = placeOf(shape, unit);
  return `${nameOf(index)}, ${w.channel} ${channel}, ${w.row} ${row}, ${w.column} ${column}`;
}

export function nameOf(index) {
  return index === 0 ? words(state.language).input : state.network.layers[index - 1].name;
}

export function unitSentence(index, unit) {
  const value = `${unitName(index, unit)}: ${written(state.outputs[index][unit], state.exact)}`;
  if (index === 0) return value;
  const field = fieldSentence(fieldOf({ index, unit }), state.network.input.shape, state.language);
  return `${value}. ${viewWords[state.language].fieldTitle}: ${field}`;
}

export function unitParts(spot) {
  const w = words(state.language);
  if (!spot) return [w.hint_short];
  const { index, unit } = spot;
  const parts = [make("b", {}, unitName(index, unit)), " ", numeral(state.outputs[index][unit], state.exact)];
  if (index > 0) {
    const { inputs } = state.network.layers[index - 1];
    const read = sourcesByInput(state.network.layers[index - 1], unit).flatMap(({ length }, k) => {
      const gaps = { count: length.toLocaleString("en"), layer: nameOf(inputs[k]) };
      return length > 0 ? [fillIn(length === 1 ? w.reads_one : w.reads, gaps)] : [];
    });
    parts.push(make("span", { class: "soft" }, ` · ${[...read, fieldSize(spot)].join(" · ")}`));
  }
  return parts;
}

function fieldSize(spot) {
  const { rows, columns } = fieldOf(spot);
  const text = viewWords[state.language];
  const length = (axis) => (axis.length === 0 ? 0 : axis.at(-1) - axis[0] + 1);
  return fillIn(text.fieldShort, { high: length(rows), wide: length(columns) });
}
