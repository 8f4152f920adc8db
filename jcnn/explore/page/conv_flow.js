// Where a convolution's channels come together: the sum with the bias, the output map, and the maps of
// the normalisation and activation after it; and the lines from the channels to the sum.

import { cssColour, drawMap, rangeOf } from "./colour.js";
import { makeSpotMap, markSpot } from "./conv_card.js";
import { setNumeral } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { change } from "./state.js";
import { fillIn } from "./words.js";

const OUTPUT_SIDE = 2; // of the output map, by that of a channel's
const AFTER_SIDE = 1.5; // and of those after it
const AFTER_KINDS = ["activation", "batch_norm"];

// {element, box, draw, move, lines}: `draw` updates the maps, `move` what depends on the position, and
// `lines` leads from elements to the sum.
export function makeFlow(conv) {
  const { layer, index, filter, w, state } = conv;
  const node = make("div", { class: "node", "aria-hidden": "true" }, "+");
  const bias = layer.arrays.bias ? make("span") : null;
  const map = makeSpotMap(layer.out, OUTPUT_SIDE * conv.side);
  Object.entries({ tabindex: 0, role: "application", "data-part": "map", "aria-label": `${w.output_map}. ${w.move_hint}` })
    .forEach(([name, value]) => map.element.setAttribute(name, value));
  const after = layersAfter(state.network, index).map((i) => ({ i, ...makeSpotMap(layer.out, AFTER_SIDE * conv.side) }));
  const element = make("div", { class: "flow" },
    make("div", { class: "flow-sum" },
      bias && make("p", { class: "flow-bias", "aria-hidden": "true" }, w.bias, " ", bias), node),
    make("div", { class: "flow-maps" },
      make("figure", {}, map.element, make("figcaption", {}, `${w.output_map}, ${w.channel} ${filter}`)),
      after.map(({ i, element: box }) => make("figure", { class: "after" }, make("span", { class: "sign", "aria-hidden": "true" }, "↓"),
        make("button", { type: "button", class: "after-map", "aria-label": afterName(i, state, w),
          onclick: () => change({ selected: { layer: i, unit: state.selected.unit } }) }, box),
        make("figcaption", {}, afterName(i, state, w))))));
  const all = [map, ...after];
  return {
    element, box: map.element,
    draw() {
      const [height, width, filters] = layer.out;
      [index + 1, ...after.map(({ i }) => i + 1)].forEach((at, k) => {
        const y = state.outputs[at];
        drawMap(all[k].canvas, y, filter, filters, height, width, rangeOf(y, filter, filters));
      });
    },
    move(row, column, added) {
      for (const one of all) markSpot(one, layer.out, row, column, conv.walk);
      if (bias) setNumeral(bias, added, false);
    },
    lines: (svg, starts) => drawLines(svg, starts, node, map.element),
  };
}

// The layers that work number by number on the output of layer `index`, as far as they follow each other.
function layersAfter(network, index) {
  const found = [];
  for (let i = index + 1; i < network.layers.length; i++) {
    const { kind, inputs, function: name } = network.layers[i];
    if (!AFTER_KINDS.includes(kind) || name === "softmax" || String(inputs) !== String([i])) break;
    found.push(i);
  }
  return found.slice(0, 2);
}

function afterName(i, { network }, w) {
  const layer = network.layers[i];
  return fillIn(w.result_of, { name: layer.kind === "activation" ? layer.function : w[layer.kind] });
}

// A line from each {element, sum} to the node, as thick as the sum is large, in its colour; and from there
// to the output map.
export function drawLines(svg, starts, node, output) {
  const origin = svg.getBoundingClientRect();
  const to = node.getBoundingClientRect();
  const [x2, y2] = [to.x - origin.x, to.y + to.height / 2 - origin.y];
  const most = Math.max(...starts.map(({ sum }) => Math.abs(sum)));
  const map = output.getBoundingClientRect();
  const [x3, y3] = [map.x - origin.x, map.y + map.height / 2 - origin.y];
  const [x0, half] = [x2 + to.width, (x3 - x2 - to.width) / 2];
  const whole = makeSvg("path", { class: "whole", d: `M${x0} ${y2}C${x0 + half} ${y2} ${x3 - half} ${y3} ${x3} ${y3}` });
  svg.replaceChildren(whole, ...starts.map(({ element, sum }) => {
    const from = element.getBoundingClientRect();
    const [x1, y1] = [from.right + 2 - origin.x, from.y + from.height / 2 - origin.y];
    const bend = (x2 - x1) * 0.6;
    const share = most > 0 ? Math.abs(sum) / most : 0;
    return makeSvg("path", {
      d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
      style: { strokeWidth: 1.2 + 2.8 * share, stroke: sum === 0 ? "" : cssColour(Math.sign(sum) * (0.45 + 0.55 * share), 1) },
    });
  }));
}
