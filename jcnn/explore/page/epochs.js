// The epochs of a training whose weights the page holds: network.epochs, or nothing in most pages.

import { eachArray, setNumbers } from "./parameters.js";

// The epoch whose weights the page opens with; null in a page without epochs.
export function lastEpoch(network) {
  return network.epochs ? network.epochs.numbers.at(-1) : null;
}

// Set all parameters to those of an epoch, in place.
export function setWeights(network, epoch) {
  const weights = network.epochs.weights[network.epochs.numbers.indexOf(epoch)];
  for (const [i, name, array] of eachArray(network.layers)) setNumbers(array, weights[i][name]);
}

// JAX's outputs of the pictures with the weights of an epoch, {picture, outputs}: those of every layer
// for the last epoch, of the last layers for the others.
export function checksOf(network, epoch) {
  if (!network.epochs || epoch === lastEpoch(network)) return network.checks;
  return network.epochs.checks[network.epochs.numbers.indexOf(epoch)];
}

// The columns of the training's curves: {name, rows: [[epoch, value]]} without gaps in a row.
export function curveOf({ history, numbers, test }, name) {
  const known = (epochs, values) => (values ?? []).map((value, i) => [epochs[i], value]).filter(([, value]) => value !== null);
  return [
    { name: "train", rows: known(history.epoch ?? [], history[name]) },
    { name: "validation", rows: known(history.epoch ?? [], history[`val_${name}`]) },
    { name: "test", rows: known(numbers, test[name]) },
  ].filter(({ rows }) => rows.length > 0);
}
