// Stages: what shares a column of the overview. A convolution is drawn together with what follows it
// number by number (normalisation, activation, sum with a skip connection, flatten), so that a
// network fits the window. `split` gives every layer a column.

import { sizeOf } from "./shapes.js";

// Layers that work number by number, and those of them whose output is the same numbers.
const FOLLOWERS = ["activation", "batch_norm", "layer_norm", "group_norm", "dropout", "spatial_dropout",
  "stochastic_depth", "add", "multiply", "divide", "flatten", "reshape", "softmax"];
const SAME_NUMBERS = ["flatten", "reshape", "dropout", "spatial_dropout", "stochastic_depth"];

// The stages of a network in order, {layers, shown}: indices of layers (none for the input), and the
// index of the output that is drawn; outputs[0] is the input.
export function stagesOf(network, split) {
  const readers = network.layers.reduce((count, { inputs }) => {
    for (const one of inputs) count.set(one, (count.get(one) ?? 0) + 1);
    return count;
  }, new Map());
  const stages = [{ layers: [], shown: 0 }];
  const ends = new Map([[0, stages[0]]]); // output -> the stage that ends with it
  for (const [i, layer] of network.layers.entries()) {
    const latest = Math.max(...layer.inputs);
    const before = ends.get(latest);
    if (!split && before && readers.get(latest) === 1 && follows(layer, before, network)) {
      before.layers.push(i);
      ends.delete(latest);
      ends.set(i + 1, before);
      if (!SAME_NUMBERS.includes(layer.kind)) before.shown = i + 1;
    } else {
      stages.push({ layers: [i], shown: i + 1 });
      ends.set(i + 1, stages.at(-1));
    }
  }
  return stages;
}

// Whether a layer continues a stage. The picture stays alone, and so do the scores of the classes.
function follows(layer, stage, network) {
  if (stage.layers.length === 0 || !FOLLOWERS.includes(layer.kind)) return false;
  const drawn = network.layers[stage.shown - 1];
  if (SAME_NUMBERS.includes(layer.kind)) return sizeOf(layer.out) === sizeOf(drawn.out);
  return String(layer.out) === String(drawn.out);
}

// The stage whose column draws each output: an array by output.
export function stageByOutput(stages, network) {
  const found = [stages[0]];
  for (const stage of stages) for (const i of stage.layers) found[i + 1] = stage;
  return found.slice(0, network.layers.length + 1);
}
