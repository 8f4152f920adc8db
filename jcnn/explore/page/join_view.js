// A unit that joins branches: its sources, which can be opened, and "a + b = c".

import { rangeOf } from "./colour.js";
import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { makeEditable } from "./edit_cell.js";
import { EQUALS, bracketed, equation } from "./equation.js";
import { graphWords } from "./graph_words.js";
import { channelStarts, joinTerms } from "./joins.js";
import { mapPicture } from "./map_picture.js";
import { placeOf, sizeOf } from "./shapes.js";
import { unitName } from "./unit_words.js";
import { choiceButton, fillPanel, selectUnit, viewHead, viewed, viewTable } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn, words } from "./words.js";

const JOIN_SIGNS = { add: " + ", multiply: " × ", divide: " / " };

export function showJoin(panel, state) {
  const { layer, unit, y } = viewed(state);
  const text = graphWords[state.language];
  const terms = joinTerms(layer, layer.inputs.map((one) => state.outputs[one]), unit);
  const repeated = layer.kind !== "concatenate" && layer.ins.some((shape) => sizeOf(shape) < sizeOf(layer.out));
  fillPanel(panel,
    viewHead(state, text[`${layer.kind}Title`]),
    make("p", {}, text[`${layer.kind}Intro`]),
    repeated && make("p", { class: "view-note" }, text.joinRepeated),
    layer.arrays.constant && make("p", { class: "view-note" }, words(state.language).edit_note),
    ...(layer.kind === "concatenate" ? takenLines(state, text, terms[0], y) : joinedLines(state, text, terms, y)),
    layer.out.length === 3 && make("div", { class: "view-columns" }, joinPictures(state, terms, y)));
}

// "a + b = c", and a line for each source.
function joinedLines(state, text, terms, y) {
  const { layer, unit } = viewed(state);
  const [a, b] = terms.map(({ value }) => value);
  return [
    sourceTable(state, text, terms),
    equation(state, [...bracketed(a), JOIN_SIGNS[layer.kind], ...bracketed(b), EQUALS, y[unit]]),
  ];
}

function sourceTable(state, text, terms) {
  return viewTable([text.joinSource, viewWords[state.language].viewValue],
    terms.map((term) => [sourceButton(state, text, term), sourceValue(state, text, term)]));
}

// The channels of each input, and which one the unit is.
function takenLines(state, text, term, y) {
  const { layer, unit } = viewed(state);
  const { channel } = placeOf(layer.out, unit);
  const starts = channelStarts(layer);
  const names = layer.inputs.map((one) => layerName(state, one));
  const lines = names.map((name, input) =>
    [`${input}: ${name}`, `${starts[input]}–${starts[input] + layer.ins[input].at(-1) - 1}`]);
  return [
    viewTable([words(state.language).input, text.joinChannels], lines),
    equation(state, [fillIn(text.joinTaken, { channel, from: channel - starts[term.input], input: term.input }),
      " k = ", channel, " − ", starts[term.input], EQUALS, channel - starts[term.input]]),
    sourceTable(state, text, [term]),
    equation(state, ["y = x: ", term.value, EQUALS, y[unit]], true),
  ];
}

function layerName(state, output) {
  return output === 0 ? words(state.language).input : state.network.layers[output - 1].name;
}

// A button that opens the source; a constant, and the picture, cannot be opened.
function sourceButton(state, text, { input, source }) {
  if (input === null) return text.joinConstant;
  const output = viewed(state).layer.inputs[input];
  const name = unitName(output, source);
  return output === 0 ? name : choiceButton(name, `source-${input}`, () => selectUnit(output - 1, source), false);
}

function sourceValue(state, text, { input, source, value }) {
  const shown = numeral(value, state.exact);
  if (input !== null) return shown;
  const { layer, index } = viewed(state);
  shown.dataset.key = "constant";
  makeEditable(shown, index, layer.arrays.constant, source, fillIn(text.joinConstantAt, { at: source }));
  return shown;
}

// The map of each source, and that of the output; a copy has the same colours.
function joinPictures(state, terms, y) {
  const { layer, place } = viewed(state);
  const box = (cell) => [cell.row, cell.column, 1, 1];
  const maps = terms.filter(({ input }) => input !== null).map(({ input, source }) => {
    const [x, shape] = [state.outputs[layer.inputs[input]], layer.ins[input]];
    const cell = placeOf(shape, source);
    const caption = `${layerName(state, layer.inputs[input])}, ${words(state.language).channel} ${cell.channel}`;
    return mapPicture(x, shape, cell.channel, box(cell), rangeOf(x), caption);
  });
  const caption = `${layer.name}, ${words(state.language).channel} ${place.channel}`;
  const range = rangeOf(layer.kind === "concatenate" ? state.outputs[layer.inputs[terms[0].input]] : y);
  return [...maps, mapPicture(y, layer.out, place.channel, box(place), range, caption)];
}
