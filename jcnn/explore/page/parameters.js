// Changes of parameters, arrays {data, shape}. Each change is counted in the array, so that a worker
// with a copy can be sent the new numbers.

// [index of the layer, name, array] of each array.
export function eachArray(layers) {
  return layers.flatMap(({ arrays }, i) => Object.entries(arrays).map(([name, array]) => [i, name, array]));
}

export function setNumber(array, at, number) {
  array.data[at] = number;
  countChange(array);
}

export function setNumbers(array, numbers) {
  array.data.set(numbers);
  countChange(array);
}

// How often the array was changed.
export function changesOf(array) {
  return array.changes ?? 0;
}

function countChange(array) {
  array.changes = changesOf(array) + 1;
}
