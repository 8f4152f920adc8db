// The state of the playground in the address: a preset by name, or all settings and numbers. An
// address is validated as strictly as typed input.

import { exampleOf } from "./examples_more.js";
import { MORE_CHOICES, outShape, layerOf, playOf, resolvePlay } from "./playground_state.js";
import { OPERATIONS } from "./playground_settings.js";
import { MOST_CHANNELS, resolveChoices } from "./playground_window.js";

const PAIRS = ["size", "kernel", "stride", "dilation"];

// [[name, value], ...] for the address, without the answers.
export function playWords(play) {
  const { choices, inputs, kernels, example, answers, at } = play;
  const words = [];
  if (example !== null) words.push(["example", example]);
  else {
    words.push(["operation", choices.operation]);
    for (const name of PAIRS) words.push([name, choices[name].join("x")]);
    words.push(["padding", choices.padding], ["inputs", gridsText(inputs)]);
    if (choices.operation === "conv" || choices.operation === "similarity") words.push(["kernels", gridsText(kernels)]);
    if (choices.operation === "dense") words.push(["weights", gridsText([play.weights])]);
    for (const [name, usual] of Object.entries(MORE_CHOICES)) {
      if (name === "bias" && choices.bias) words.push(["bias", play.bias.join(",")]);
      else if ((choices[name] ?? usual) !== usual) words.push([name, Number(choices[name])]);
    }
  }
  words.push(["turn", answers === null ? 0 : 1]);
  if (at) words.push(["at", [at.row, at.column, at.channel].join("-")]);
  return words;
}

// The playground state of an address, or null.
export function playFrom(words) {
  const play = words.has("example") ? exampleNamed(words.get("example")) : ownPlay(words);
  if (play === null) return null;
  if (words.has("turn")) play.answers = words.get("turn") === "1" ? {} : null;
  const at = /^(\d{1,3})-(\d{1,3})-(\d{1,3})$/.exec(words.get("at") ?? "");
  if (at && isInside(play, at.slice(1).map(Number))) {
    play.at = { row: Number(at[1]), column: Number(at[2]), channel: Number(at[3]) };
  }
  return play;
}

function exampleNamed(id) {
  const example = exampleOf(id);
  return example ? playOf(example) : null;
}

function ownPlay(words) {
  const choices = { operation: words.get("operation") };
  for (const name of PAIRS) choices[name] = (words.get(name) ?? "").split("x").map(wholeNumber);
  const padding = words.get("padding");
  choices.padding = ["valid", "same"].includes(padding) ? padding : wholeNumber(padding);
  for (const name of ["filters", "units", "rate", "seed"]) {
    choices[name] = words.has(name) ? plainNumber(words.get(name)) : MORE_CHOICES[name];
  }
  choices.relu = words.get("relu") === "1";
  choices.bias = words.has("bias");
  const paired = PAIRS.every((name) => choices[name].length === 2);
  const counted = Number.isInteger(choices.filters) && choices.filters >= 1 && choices.filters <= MOST_CHANNELS;
  if (!OPERATIONS.includes(choices.operation) || !paired || !counted || resolveChoices(choices).refusal) return null;
  const inputs = gridsOf(words.get("inputs"));
  if (inputs === null || inputs.length > MOST_CHANNELS) return null;
  const kernels = gridsOf(words.get("kernels") ?? "") ?? [];
  const [weights] = gridsOf(words.get("weights") ?? "") ?? [[]];
  const bias = gridsOf(words.get("bias") ?? "")?.flat(2) ?? [];
  const play = { example: null, choices, inputs, kernels, weights, bias, at: null, filled: null, answers: null, hint: false };
  // Grids of other sizes are cut or padded with zeros.
  return resolvePlay(play).refusal ? null : play;
}

function isInside(play, [row, column, channel]) {
  const window = resolvePlay(play);
  if (window.refusal) return false;
  const [rows, columns, channels] = outShape(layerOf(play, window));
  return row < rows && column < columns && channel < channels;
}

// Grids as text, channel by channel: "1,2;3,4|5,6;7,8".
function gridsText(grids) {
  return grids.map((grid) => grid.map((row) => row.join(",")).join(";")).join("|");
}

function gridsOf(text) {
  const grids = (text ?? "").split("|").map((grid) => grid.split(";").map((row) => row.split(",").map(plainNumber)));
  return grids.flat(2).every(Number.isFinite) ? grids : null;
}

const wholeNumber = (text) => (/^\d{1,3}$/.test(text ?? "") ? Number(text) : Number.NaN);
const plainNumber = (text) => (text.trim() === "" ? Number.NaN : Number(text));
