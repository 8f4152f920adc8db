// A stand-in for the explorer: it unpacks the numbers and writes down what it found.

import { unpack } from "./numbers.js";

const network = await unpack(document);
const arrays = network.layers.flatMap((layer) => Object.values(layer.arrays));
for (const check of network.checks) arrays.push(...check.outputs.filter(Boolean));
let sum = 0;
for (const { data } of arrays) for (const number of data) sum += number;
const list = document.getElementById("layers");
for (const { name } of network.layers) {
  const item = document.createElement("li");
  item.textContent = name;
  list.append(item);
}
document.getElementById("sum").dataset.value = String(sum);
document.getElementById("sum").textContent = String(sum);
document.getElementById("classes").textContent = network.classes.join(", ");
document.body.dataset.ready = "true";
