// The state of the playground in the address: a preset by name, or all settings and numbers. An
// address is validated as strictly as typed input.

import { EXAMPLES } from "./examples.js";
import { playOf, resolvePlay } from "./playground_state.js";
import { resolveChoices } from "./playground_window.js";

const OPERATIONS_KNOWN = ["conv", "max_pool", "average_pool", "flatten"];
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
    if (choices.operation === "conv") words.push(["kernels", gridsText(kernels)]);
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
  const example = EXAMPLES.find((one) => one.id === id);
  return example ? playOf(example) : null;
}

function ownPlay(words) {
  const choices = { operation: words.get("operation") };
  for (const name of PAIRS) choices[name] = (words.get(name) ?? "").split("x").map(wholeNumber);
  const padding = words.get("padding");
  choices.padding = ["valid", "same"].includes(padding) ? padding : wholeNumber(padding);
  const paired = PAIRS.every((name) => choices[name].length === 2);
  if (!OPERATIONS_KNOWN.includes(choices.operation) || !paired || resolveChoices(choices).refusal) return null;
  const inputs = gridsOf(words.get("inputs"));
  const kernels = gridsOf(words.get("kernels") ?? "");
  if (inputs === null || inputs.length > 3) return null;
  const play = { example: null, choices, inputs, kernels: kernels ?? [], at: null, filled: null, answers: null, hint: false };
  resolvePlay(play); // grids of other sizes are cut or padded with zeros
  return play;
}

function isInside({ choices, inputs }, [row, column, channel]) {
  const { outSize } = resolveChoices(choices);
  const { operation, size } = choices;
  if (operation === "flatten") return row === 0 && column < size[0] * size[1] * inputs.length && channel === 0;
  return row < outSize[0] && column < outSize[1] && channel < (operation === "conv" ? 1 : inputs.length);
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
