// A pass through a network layer by layer, as a service of worker_link.js.

import { runLayer } from "./forward.js";

// Messages: "layers"; "numbers", changed parameters as [layer, name, numbers]; and "run", {id, plan,
// known}: `plan` is a list of layers, and `known` has the outputs that they read besides their own, as
// [index, numbers]. Each layer is reported, {id, layer, y}. A run ends the one before.
export function makePasses(send, rest) {
  const service = { layers: null, send, rest, turn: null };
  return ([name, value]) => RECEIVE_PASS[name](service, value);
}

const RECEIVE_PASS = {
  layers: (service, layers) => {
    service.layers = layers;
  },
  numbers: ({ layers }, changed) => {
    for (const [layer, name, numbers] of changed) layers[layer].arrays[name].data.set(numbers);
  },
  run: async (service, { id, plan, known }) => {
    const { layers, send, rest } = service;
    service.turn = id;
    const outputs = new Map(known);
    for (const layer of plan) {
      const y = runLayer(layers[layer], ...layers[layer].inputs.map((one) => outputs.get(one)));
      outputs.set(layer + 1, y);
      send({ id, layer, y });
      const others = rest();
      if (others !== null) await others;
      if (service.turn !== id) return;
    }
  },
};
