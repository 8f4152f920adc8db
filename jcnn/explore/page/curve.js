// The graph of a function with one marked point, in SVG.

import { shown } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { runLayer } from "./forward.js";

const CURVE_WIDTH = 320;
const CURVE_HEIGHT = 220;
const CURVE_MARGIN = 28;
const CURVE_POINTS = 241;

// The function of the layer on an interval symmetric about zero that contains the point.
export function curvePicture(layer, x, y, caption) {
  const reach = Math.max(4, 1.2 * Math.abs(x));
  const xs = Float64Array.from(
    { length: CURVE_POINTS }, (_, at) => reach * ((2 * at) / (CURVE_POINTS - 1) - 1),
  );
  const ys = runLayer({ ...layer, in: [CURVE_POINTS], out: [CURVE_POINTS] }, xs);
  const low = Math.min(0, ...ys);
  const high = Math.max(0, ...ys);
  const across = (value) => CURVE_MARGIN
    + ((value + reach) / (2 * reach)) * (CURVE_WIDTH - 2 * CURVE_MARGIN);
  const up = (value) => CURVE_HEIGHT - CURVE_MARGIN
    - ((value - low) / (high - low)) * (CURVE_HEIGHT - 2 * CURVE_MARGIN);
  const line = (name, x1, y1, x2, y2) => makeSvg("line", { class: name, x1, y1, x2, y2 });
  const label = (words, at, height, anchor) =>
    makeSvg("text", { x: at, y: height, "text-anchor": anchor }, words);
  const path = Array.from(xs, (value, at) => `${across(value)},${up(ys[at])}`).join(" ");
  return make("figure", { class: "curve" },
    makeSvg("svg", {
      viewBox: `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`, role: "img",
      "aria-label": `${caption}: f(${shown(x)}) = ${shown(y)}`,
    },
    line("curve-axis", across(-reach), up(0), across(reach), up(0)),
    line("curve-axis", across(0), up(low), across(0), up(high)),
    label(shown(-reach), across(-reach), up(0) + 16, "start"),
    label(shown(reach), across(reach), up(0) + 16, "end"),
    label(shown(high), across(0) - 5, up(high) + 4, "end"),
    ...(low < 0 ? [label(shown(low), across(0) - 5, up(low) + 4, "end")] : []),
    line("curve-guide", across(x), up(0), across(x), up(y)),
    line("curve-guide", across(0), up(y), across(x), up(y)),
    makeSvg("polyline", { class: "curve-line", points: path }),
    makeSvg("circle", { class: "curve-point", cx: across(x), cy: up(y), r: 5 })),
    make("figcaption", {}, caption));
}
