// The stops of the tour from pooling to training; see tour_stops.js.

import { exampleOf } from "./examples_more.js";
import { firstMaps } from "./gradcam.js";
import { layerOf, outShape, playOf, resolvePlay } from "./playground_state.js";
import { placeOf, sizeOf, unitAt, upTo } from "./shapes.js";
import { termsOf } from "./terms.js";
import { predictions, surest, wrongPictures } from "./tour_pictures.js";
import { strongestChannel, strongestOf, unitsOf, weakestOf } from "./tour_places.js";
import { bestOf, FIRST_STOPS, inputOf, named, outputOf, parametersOf, selectedIn } from "./tour_stops.js";
import { shapeText } from "./view_panel.js";
import { indexOfLargest } from "./why_class.js";

const MOST_STOPS = 20;
const PANEL_OF_UNIT = "#detail";

// The classes in the order of a layer's numbers, largest first.
const ranked = (data) => upTo(data.length).sort((a, b) => data[b] - data[a] || a - b);
const logits = (at) => outputOf(at, at.roles.logits);
const ofClasses = (at) => at.state.selected !== null && at.state.selected.layer >= at.roles.logits;

// The label of the picture, or the most probable class where there is none.
const labelOf = ({ state, network }) => (state.picture === null ? null : network.pictures[state.picture].label) ?? bestOf(state);

const MORE_STOPS = [
  {
    id: "stride",
    spare: true,
    when: ({ conv }) => conv !== null,
    patch: () => ({ view: "playground", playground: playOf(exampleOf("003_stride1_row1")) }),
    marks: () => [".pg-choices", ".pg-outputs"],
    facts: ({ state }) => {
      const { choices } = state.playground;
      const window = resolvePlay(state.playground);
      const [rows, columns] = window.refusal ? [0, 0] : outShape(layerOf(state.playground, window));
      return { size: shapeText(choices.size), kernel: shapeText(choices.kernel), stride: choices.stride[0], rows, columns };
    },
    solved: ({ state }) => state.view === "playground" && String(state.playground?.choices.stride) === "2,2" && !resolvePlay(state.playground).refusal,
  },
  {
    id: "pool",
    when: ({ pool }) => pool !== null,
    layer: ({ pool }) => pool,
    home: (at) => {
      const { out } = at.network.layers[at.layer];
      const y = outputOf(at, at.layer);
      const units = unitsOf(out, strongestChannel(y, out));
      return weakestOf(y, units);
    },
    marks: ({ layer }) => [layer, PANEL_OF_UNIT],
    words: (at) => (at.network.layers[at.layer].kind === "max_pool" ? "max" : "average"),
    facts: (at) => {
      const { name, in: shape, out, window, stride } = at.network.layers[at.layer];
      const { channel } = placeOf(out, at.unit);
      return { layer: name, channel, window: shapeText(window), stride: shapeText(stride), before: shapeText(shape.slice(0, 2)),
        after: shapeText(out.slice(0, 2)), from: sizeOf(shape), to: sizeOf(out), result: outputOf(at, at.layer)[at.unit] };
    },
    // Where all windows give the same, there is nothing to find.
    task: (at) => {
      const { out } = at.network.layers[at.layer];
      const [y, units] = [outputOf(at, at.layer), unitsOf(out, placeOf(out, at.home).channel)];
      return y[strongestOf(y, units)] > y[weakestOf(y, units)];
    },
    solved: (at) => {
      if (!selectedIn(at, at.layer)) return false;
      const { out } = at.network.layers[at.layer];
      const y = outputOf(at, at.layer);
      return y[at.unit] === y[strongestOf(y, unitsOf(out, placeOf(out, at.unit).channel))];
    },
  },
  {
    id: "join",
    when: ({ join }) => join !== null,
    layer: ({ join }) => join,
    home: (at) => {
      const y = outputOf(at, at.layer);
      return strongestOf(y, upTo(y.length));
    },
    marks: ({ network, layer }) => [layer, ...network.layers[layer].inputs.map((output) => output - 1)],
    words: (at) => at.network.layers[at.layer].kind,
    facts: (at) => {
      const { name, inputs } = at.network.layers[at.layer];
      const source = (k) => (inputs[k] === 0 ? null : at.network.layers[inputs[k] - 1].name);
      return { layer: name, branches: inputs.length, a: source(0), b: source(1), result: outputOf(at, at.layer)[at.unit] };
    },
    solved: (at) => at.state.selected !== null && at.network.layers[at.layer].inputs.includes(at.state.selected.layer + 1),
  },
  {
    id: "flatten",
    when: ({ flatten }) => flatten !== null,
    layer: ({ flatten }) => flatten,
    home: () => 0,
    marks: ({ layer }) => [layer, PANEL_OF_UNIT],
    facts: (at) => {
      const { in: shape, out } = at.network.layers[at.layer];
      const place = placeOf(shape, at.unit);
      const target = placeOf(shape, slotOf(shape));
      return { shape: shapeText(shape), count: out[0], unit: at.unit, ...place,
        toRow: target.row, toColumn: target.column, toChannel: target.channel };
    },
    solved: (at) => selectedIn(at, at.layer) && at.unit === slotOf(at.network.layers[at.layer].in),
  },
  {
    id: "dense",
    when: ({ dense }) => dense !== null,
    layer: ({ dense }) => dense,
    home: (at) => ranked(logits(at))[0],
    marks: ({ layer }) => [layer, PANEL_OF_UNIT],
    facts: (at) => {
      const { name, in: [inputs], out: [units], arrays } = at.network.layers[at.layer];
      const { terms, bias, result } = termsOf(at.network.layers[at.layer], inputOf(at, at.layer), at.unit);
      const most = terms.reduce((a, b) => (b.product > a.product ? b : a));
      return { layer: name, class: named(at, at.unit), inputs, units, count: arrays.kernel.data.length, bias, logit: result,
        at: most.source, product: most.product };
    },
    solved: (at) => ofClasses(at) && at.state.selected.unit === ranked(logits(at))[1],
  },
  {
    id: "softmax",
    when: ({ softmax }) => softmax !== null,
    layer: ({ softmax }) => softmax,
    home: (at) => bestOf(at.state),
    marks: ({ layer }) => [layer, PANEL_OF_UNIT],
    facts: (at) => {
      const { terms, shift, sum, result } = termsOf(at.network.layers[at.layer], inputOf(at, at.layer), at.unit);
      const { value, product } = terms[at.unit];
      return { class: named(at, at.unit), logit: value, largest: shift, power: product, sum, probability: result,
        total: outputOf(at, at.layer).reduce((a, b) => a + b, 0), classes: terms.length };
    },
    solved: (at) => ofClasses(at) && outputOf(at, at.layer)[at.state.selected.unit] === Math.min(...outputOf(at, at.layer)),
  },
  {
    id: "classes",
    when: ({ softmax }) => softmax !== null,
    patch: ({ network }) => {
      const found = surest(network);
      return found === null ? {} : { picture: found };
    },
    marks: ({ network }) => [network.layers.length - 1, "#summary", "#pictures"],
    words: ({ network }) => (wrongPictures(network).length > 0 ? "wrong" : "unsure"),
    facts: (at) => ({ best: named(at, bestOf(at.state)), score: at.state.outputs.at(-1)[bestOf(at.state)],
      second: named(at, ranked(at.state.outputs.at(-1))[1]), next: at.state.outputs.at(-1)[ranked(at.state.outputs.at(-1))[1]],
      wrong: wrongPictures(at.network).length, pictures: at.network.pictures.length }),
    solved: ({ state, network, began }) => {
      if (wrongPictures(network).length === 0) return Math.max(...state.outputs.at(-1)) < Math.max(...began.outputs.at(-1));
      const label = state.picture === null ? null : network.pictures[state.picture].label;
      return label !== null && label !== bestOf(state);
    },
  },
  {
    id: "why",
    when: ({ softmax }) => softmax !== null,
    patch: ({ network }) => ({ view: "occlusion", method: firstMaps(network.layers) === null ? "gradient" : "gradcam", target: null, maps: null }),
    marks: () => [".occ-pictures", ".occ-choices"],
    words: ({ network }) => (firstMaps(network.layers) === null ? "gradient" : "gradcam"),
    facts: (at) => ({ best: named(at, bestOf(at.state)), asked: named(at, at.state.target ?? bestOf(at.state)),
      score: at.state.outputs.at(-1)[at.state.target ?? bestOf(at.state)] }),
    solved: ({ state }) => state.view === "occlusion" && state.target !== null && state.target !== bestOf(state),
  },
  {
    id: "dropout",
    when: ({ dropout }) => dropout !== null,
    layer: ({ dropout }) => dropout,
    home: (at) => {
      const y = outputOf(at, at.layer);
      return strongestOf(y, upTo(y.length));
    },
    patch: () => ({ dropoutTraining: false }),
    marks: () => [PANEL_OF_UNIT],
    facts: (at) => {
      const { name, rate } = at.network.layers[at.layer];
      return { layer: name, rate, factor: 1 / (1 - rate), x: inputOf(at, at.layer)[at.unit] };
    },
    solved: (at) => selectedIn(at, at.layer) && at.state.dropoutTraining === true,
  },
  {
    id: "weight",
    when: ({ dense }) => dense !== null,
    layer: ({ dense }) => dense,
    home: (at) => ranked(logits(at))[1],
    marks: ({ layer }) => [layer, PANEL_OF_UNIT],
    words: (at) => (at.network.layers[at.layer].arrays.bias ? "bias" : "plain"),
    facts: (at) => ({ layer: at.network.layers[at.layer].name, class: named(at, at.unit), best: named(at, bestOf(at.state)), score: at.state.outputs.at(-1)[bestOf(at.state)],
      own: at.state.outputs.at(-1)[at.unit], gap: logits(at)[bestOf(at.state)] - logits(at)[at.unit] }),
    solved: ({ state, began }) => state.edited && bestOf(state) !== indexOfLargest(began.outputs.at(-1)),
  },
  {
    id: "draw",
    when: ({ softmax }, { input }) => softmax !== null && input.shape.length === 3,
    marks: () => ["#tools", -1],
    facts: (at) => ({ target: named(at, wantedClass(at)), best: named(at, bestOf(at.state)),
      score: at.state.outputs.at(-1)[wantedClass(at)] }),
    solved: (at) => at.state.own !== null && at.state.own !== at.began.own && bestOf(at.state) === wantedClass(at),
  },
  {
    id: "training",
    when: ({ dense }) => dense !== null,
    layer: ({ dense }) => dense,
    home: (at) => labelOf(at),
    marks: ({ layer }) => [layer, PANEL_OF_UNIT],
    facts: (at) => {
      const label = labelOf(at);
      const probability = at.state.outputs.at(-1)[label];
      return { label: named(at, label), probability, loss: -Math.log(probability), before: -Math.log(at.began.outputs.at(-1)[label]),
        parameters: parametersOf(at.network) };
    },
    solved: (at) => at.state.edited && at.state.outputs.at(-1)[labelOf(at)] > at.began.outputs.at(-1)[labelOf(at)],
  },
];

// The stops for a network, in order.
export function stopsFor(network, roles) {
  const found = [...FIRST_STOPS, ...MORE_STOPS].filter(({ when }) => when(roles, network));
  return found.length > MOST_STOPS ? found.filter(({ spare }) => !spare) : found;
}

// The cell to find in a flattened map: not the first.
function slotOf(shape) {
  return unitAt(shape, Math.min(1, shape[0] - 1), Math.min(2, shape[1] - 1), Math.min(3, shape[2] - 1));
}

// The class to draw: that of another embedded picture, else the second most probable one.
function wantedClass({ network, began }) {
  const now = indexOfLargest(began.outputs.at(-1));
  const others = predictions(network).flatMap((data) => (data && indexOfLargest(data) !== now ? [indexOfLargest(data)] : []));
  return others[0] ?? ranked(began.outputs.at(-1))[1] ?? now;
}
