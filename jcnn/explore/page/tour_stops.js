// The stops of the tour from the picture to the last convolution. A stop has an `id`, the name of its
// words, and functions of a place {state, network, roles, home, unit, layer, began}:
//   layer: the index of the layer it shows, undefined if it has none
//   home: the unit to select first, null for none
//   patch: more of the state to set
//   marks: what to outline: indices of layers (-1 is the picture), or selectors
//   facts: the numbers and names in its words
//   solved: whether its task is done; `began` is the state when the stop was entered, without a
//     change since then no task is done
// `when(roles, network)` says whether the network has the stop; `spare` ones are left out first.

import { windowOf } from "./forward.js";
import { placeOf, upTo } from "./shapes.js";
import { termsOf } from "./terms.js";
import { fieldSizeOf, middleOf } from "./tour_roles.js";
import { middlemost, paddedCells, strongestChannel, strongestOf, unitsOf, weakestOf } from "./tour_places.js";
import { receptiveFields } from "./receptive_field.js";
import { shapeText } from "./view_panel.js";
import { indexOfLargest } from "./why_class.js";

const PANEL = "#detail";
// A small positive number at which a unit counts as zero, since shown numbers have three decimals.
const NEARLY = 5e-3;

export const outputOf = ({ state }, layer) => state.outputs[layer + 1];
export const inputOf = ({ state, network }, layer) => state.outputs[network.layers[layer].inputs[0]];
export const bestOf = (state) => indexOfLargest(state.outputs.at(-1));
// The name of a class in quotation marks, since it may be a number or several words.
export function named({ network, state }, index) {
  const name = network.classes[index] ?? index;
  return state.language === "ja" ? `「${name}」` : `“${name}”`;
}

export const selectedIn = ({ state }, ...layers) => layers.includes(state.selected?.layer);

// The number of all parameters.
export function parametersOf({ layers }) {
  return layers.reduce((sum, { arrays }) => sum + Object.values(arrays).reduce((count, { data }) => count + data.length, 0), 0);
}

// What a unit's place is called in the words.
function spot(at) {
  const { row, column, channel } = placeOf(at.network.layers[at.layer].out, at.unit);
  return { row, column, channel };
}

// The strongest channel of a layer's maps, and the unit of its largest number.
function peakOf(at) {
  const { out } = at.network.layers[at.layer];
  const y = outputOf(at, at.layer);
  const channel = strongestChannel(y, out);
  return { channel, units: unitsOf(out, channel), peak: strongestOf(y, unitsOf(out, channel)) };
}

const inChannel = (at) => unitsOf(at.network.layers[at.layer].out, placeOf(at.network.layers[at.layer].out, at.unit).channel);
const isNegative = (at) => (unit) => outputOf(at, at.layer)[unit] < 0;

export const FIRST_STOPS = [
  {
    id: "numbers",
    when: (roles, { input }) => input.shape.length === 3,
    marks: () => [-1],
    facts: ({ state, network }) => {
      const [high, wide, channels] = network.input.shape;
      const x = state.outputs[0];
      return { high, wide, channels, count: high * wide * channels, scale: network.input.scale,
        least: x.reduce((a, b) => Math.min(a, b)), most: x.reduce((a, b) => Math.max(a, b)) };
    },
    solved: ({ state, began }) => state.outputs[0].some((value, i) => value !== began.outputs[0][i]),
  },
  {
    id: "colours",
    when: (roles, { input }) => input.shape.length === 3 && input.shape[2] === 3,
    marks: () => [-1],
    facts: ({ state }) => {
      const average = (k) => state.outputs[0].reduce((sum, value, i) => (i % 3 === k ? sum + value : sum), 0) / (state.outputs[0].length / 3);
      return { red: average(0), green: average(1), blue: average(2) };
    },
    solved: ({ state, began }) => state.own !== null && redPixels(state.outputs[0]) > redPixels(began.outputs[0]),
  },
  {
    id: "network",
    when: () => true,
    marks: ({ network }) => [-1, network.layers.length - 1],
    facts: ({ state, network }) => ({
      layers: network.layers.length,
      parameters: parametersOf(network), classes: network.classes.length,
      best: named({ network, state }, bestOf(state)), score: state.outputs.at(-1)[bestOf(state)],
    }),
    solved: (at) => at.state.selected !== null && at.state.selected.layer >= at.roles.logits &&
      at.state.selected.unit === bestOf(at.state),
  },
  {
    id: "filter",
    when: ({ conv }) => conv !== null,
    layer: ({ conv }) => conv,
    home: (at) => {
      const { units, peak } = peakOf(at);
      const y = outputOf(at, at.layer);
      return middlemost(at.network.layers[at.layer].out, units, (unit) => y[unit] < y[peak]) ?? units[0];
    },
    marks: ({ layer }) => [layer, PANEL],
    facts: (at) => {
      const { arrays, out } = at.network.layers[at.layer];
      const [high, wide, depth] = arrays.kernel.shape;
      return { ...spot(at), layer: at.network.layers[at.layer].name, high, wide, depth, count: high * wide * depth,
        rows: out[0], columns: out[1], positions: out[0] * out[1], value: outputOf(at, at.layer)[at.unit] };
    },
    solved: (at) => selectedIn(at, at.layer) && outputOf(at, at.layer)[at.unit] === outputOf(at, at.layer)[strongestOf(outputOf(at, at.layer), inChannel(at))],
  },
  {
    id: "position",
    when: ({ conv }) => conv !== null,
    layer: ({ conv }) => conv,
    home: (at) => peakOf(at).peak,
    marks: ({ layer }) => [layer, PANEL],
    facts: (at) => {
      const { terms, bias, result } = termsOf(at.network.layers[at.layer], inputOf(at, at.layer), at.unit);
      const most = terms.reduce((a, b) => (Math.abs(b.product) > Math.abs(a.product) ? b : a));
      return { ...spot(at), count: terms.length, value: most.value, weight: most.weight, product: most.product,
        sum: result - bias, bias, result };
    },
    // Below zero where there is such a position, else the smallest.
    words: (at) => (inChannel(at).some(isNegative(at)) ? "below" : "smallest"),
    solved: (at) => {
      if (!selectedIn(at, at.layer)) return false;
      const y = outputOf(at, at.layer);
      return inChannel(at).some(isNegative(at)) ? y[at.unit] < 0 : y[at.unit] === y[weakestOf(y, inChannel(at))];
    },
  },
  {
    id: "bias",
    when: ({ conv }, { layers }) => conv !== null && layers[conv].arrays.bias !== undefined,
    layer: ({ conv }) => conv,
    home: (at) => peakOf(at).peak,
    marks: () => [PANEL],
    facts: (at) => {
      const { bias, result } = termsOf(at.network.layers[at.layer], inputOf(at, at.layer), at.unit);
      return { ...spot(at), sum: result - bias, wanted: bias - result || 0, bias, result, filters: at.network.layers[at.layer].out[2] };
    },
    solved: (at) => at.state.edited && selectedIn(at, at.layer) && Math.abs(outputOf(at, at.layer)[at.unit]) < NEARLY,
  },
  {
    id: "activation",
    when: ({ activation }) => activation !== null,
    layer: ({ activation }) => activation,
    home: (at) => {
      const x = inputOf(at, at.layer);
      return strongestOf(x, upTo(x.length));
    },
    marks: ({ layer }) => [layer, PANEL],
    words: (at) => (at.network.layers[at.layer].function === "relu" ? "relu" : "other"),
    facts: (at) => {
      const { name, function: kind } = at.network.layers[at.layer];
      const x = inputOf(at, at.layer);
      const negative = x.reduce((count, value) => count + (value < 0 ? 1 : 0), 0);
      return { layer: name, kind, x: x[at.unit], y: outputOf(at, at.layer)[at.unit], negative, all: x.length };
    },
    // A column that draws both layers opens the one before.
    task: (at) => inputOf(at, at.layer).some((value) => value < 0),
    solved: (at) => {
      const before = at.network.layers[at.layer].inputs[0] - 1;
      return selectedIn(at, at.layer, before) && inputOf(at, at.layer)[at.state.selected.unit] < 0;
    },
  },
  {
    id: "channels",
    when: ({ conv }, { layers }) => conv !== null && layers[conv].out[2] > 1,
    layer: ({ conv }) => conv,
    home: (at) => peakOf(at).peak,
    marks: ({ layer }) => [layer, PANEL],
    facts: (at) => {
      const { name, out, arrays } = at.network.layers[at.layer];
      return { ...spot(at), layer: name, channels: out[2], count: arrays.kernel.data.length, each: arrays.kernel.data.length / out[2],
        value: outputOf(at, at.layer)[at.unit] };
    },
    solved: (at) => selectedIn(at, at.layer) && spot(at).channel !== placeOf(at.network.layers[at.layer].out, at.home).channel,
  },
  {
    id: "field",
    when: ({ deep }) => deep !== null,
    layer: ({ deep }) => deep,
    home: (at) => middleOf(at.network.layers[at.layer].out, strongestChannel(outputOf(at, at.layer), at.network.layers[at.layer].out)),
    patch: () => ({ tab: "field" }),
    marks: ({ layer }) => [-1, layer, PANEL],
    facts: (at) => {
      const { layers, input } = at.network;
      const { name, in: shape, arrays } = layers[at.layer];
      const { rows, columns } = receptiveFields(layers, at.layer, at.unit)[0];
      return { ...spot(at), layer: name, depth: shape[2], window: shapeText(arrays.kernel.shape.slice(0, 2)), first: layers[at.roles.conv].name,
        high: rows.at(-1) - rows[0] + 1, wide: columns.at(-1) - columns[0] + 1, picture: shapeText(input.shape.slice(0, 2)) };
    },
    solved: ({ state, network, layer, home }) => state.selected !== null &&
      fieldSizeOf(network.layers, state.selected.layer, state.selected.unit) < fieldSizeOf(network.layers, layer, home),
  },
  {
    id: "padding",
    when: ({ padded }) => padded !== null,
    layer: ({ padded }) => padded,
    home: (at) => {
      const { out } = at.network.layers[at.layer];
      const units = unitsOf(out, strongestChannel(outputOf(at, at.layer), out));
      return middlemost(out, units, (unit) => paddedCells(at.network.layers[at.layer], unit) === 0) ?? units[0];
    },
    patch: () => ({ tab: "window" }),
    marks: ({ layer }) => [layer, PANEL],
    facts: (at) => {
      const layer = at.network.layers[at.layer];
      const { name, in: shape, out, stride, padding, dilation } = layer;
      const span = (windowOf(layer)[0] - 1) * (dilation?.[0] ?? 1) + 1;
      return { ...spot(at), layer: name, before: shape[0], after: out[0], kernel: span, added: padding[0][0] + padding[0][1],
        stride: stride[0], padded: paddedCells(layer, at.unit) };
    },
    solved: (at) => selectedIn(at, at.layer) && paddedCells(at.network.layers[at.layer], at.unit) > 0,
  },
];

function redPixels(x) {
  let count = 0;
  for (let i = 0; i < x.length; i += 3) if (x[i] > 0.6 && x[i + 1] < 0.35 && x[i + 2] < 0.35) count++;
  return count;
}
