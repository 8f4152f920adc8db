// Read the network from the page: its description, and the numbers that it refers to.

import { SLICE } from "./occlusion.js";
import { nextTask, resting } from "./worker_link.js";

const CHUNK = 1 << 21; // characters between pauses; a multiple of 4

// The network with {data: Float32Array, shape} in place of [offset, shape], and the pixels of the
// pictures as Uint8Arrays.
export async function unpack(document) {
  const network = JSON.parse(document.getElementById("network").textContent);
  const packed = await bytesOfLong(document.getElementById("numbers").textContent);
  const numbers = await inflated(packed);
  const arrayAt = ([offset, shape]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return { data: numbers.subarray(offset, offset + count), shape };
  };
  unpackModel(network, arrayAt);
  if (network.epochs) unpackEpochs(network.epochs, arrayAt);
  for (const picture of network.pictures) picture.pixels = bytesOfBase64(picture.pixels);
  if (network.compare) pairUp(network, arrayAt);
  return network;
}

function unpackModel(network, arrayAt) {
  for (const layer of network.layers) {
    // Copies: equal arrays of the page are stored once, and a parameter can be changed.
    for (const [name, place] of Object.entries(layer.arrays)) {
      const { data, shape } = arrayAt(place);
      layer.arrays[name] = { data: data.slice(), shape };
    }
  }
  for (const check of network.checks) {
    check.outputs = check.outputs.map((place) => place && arrayAt(place));
  }
  if (network.learn) network.learn.pictures = picturesOf(bytesOfBase64(network.learn.pixels), network.learn.labels.length);
  for (const one of network.maximised?.stages.flatMap(({ channels }) => channels) ?? []) one.pixels = bytesOfBase64(one.pixels);
  if (network.top) network.top.pictures = network.top.pictures.map(bytesOfBase64);
}

// Two models of a page: each is a network with the same pictures and classes, and knows both.
function pairUp(network, arrayAt) {
  const { names, ...second } = network.compare;
  unpackModel(second, arrayAt);
  const models = [network, { ...network, top: null, maximised: null, ...second }];
  models.forEach((model, k) => Object.assign(model, { models, own_name: names[k] }));
}

// Weights of an epoch and a layer as {name: Float32Array}; checks as those of the network.
function unpackEpochs(epochs, arrayAt) {
  const each = (table, unpacked) => Object.fromEntries(Object.entries(table).map(([name, place]) => [name, unpacked(place)]));
  epochs.weights = epochs.weights.map((layers) => layers.map((arrays) => each(arrays, (place) => arrayAt(place).data)));
  epochs.checks = epochs.checks.map((pictures) =>
    pictures.map((outputs, picture) => ({ picture, outputs: each(outputs, arrayAt) })));
}

function picturesOf(pixels, count) {
  const size = pixels.length / count;
  return Array.from({ length: count }, (_, i) => pixels.subarray(i * size, (i + 1) * size));
}

function bytesOfBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

// The same for a long text, with pauses for the browser.
async function bytesOfLong(text) {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  for (let from = 0; from < text.length; from += CHUNK) {
    if (from > 0) await nextTask();
    bytes.set(bytesOfBase64(text.slice(from, from + CHUNK)), (from / 4) * 3);
  }
  return bytes;
}

// Unpack and undo the byte planes: the first byte of every number, then the second of every number, ...
// Bytes are little-endian, as on every machine that runs a browser. The last four of a gzip stream are
// the size of what it holds.
async function inflated(packed) {
  const size = new DataView(packed.buffer).getUint32(packed.length - 4, true);
  const bytes = new Uint8Array(size);
  const count = size / 4;
  let [plane, i] = [0, 0];
  const rest = resting(SLICE, nextTask);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  for (const reader = stream.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return new Float32Array(bytes.buffer);
    for (let k = 0; k < value.length; k++) {
      bytes[4 * i + plane] = value[k];
      i += 1;
      if (i === count) [plane, i] = [plane + 1, 0];
    }
    await rest();
  }
}
