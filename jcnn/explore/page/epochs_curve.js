// A curve over the epochs in SVG, with a mark at the epoch that is shown.

import { numeral } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { curveOf } from "./epochs.js";
import { epochWords } from "./epochs_words.js";

const EPOCH_WIDE = 300;
const EPOCH_HIGH = 76;
const EPOCH_EDGE = 6;

// {element, mark(epoch)}; `choose(epoch)` is called with the epoch under a click.
export function epochCurve(state, name, title, top, choose) {
  const { epochs } = state.network;
  const words = epochWords[state.language];
  const curves = curveOf(epochs, name);
  const first = epochs.numbers[0];
  const last = Math.max(epochs.numbers.at(-1), ...(epochs.history.epoch ?? []));
  const high = top ?? Math.max(1e-9, ...curves.flatMap(({ rows }) => rows.map(([, value]) => value)));
  const across = (epoch) => EPOCH_EDGE + ((epoch - first) / (last - first)) * (EPOCH_WIDE - 2 * EPOCH_EDGE);
  const up = (value) => EPOCH_HIGH - EPOCH_EDGE - (Math.min(value, high) / high) * (EPOCH_HIGH - 2 * EPOCH_EDGE);
  const line = makeSvg("line", { class: "epoch-now", y1: 0, y2: EPOCH_HIGH });
  const svg = makeSvg("svg", { viewBox: `0 0 ${EPOCH_WIDE} ${EPOCH_HIGH}`, class: "epoch-curve", "aria-hidden": "true",
    onclick: (event) => {
      const area = svg.getBoundingClientRect();
      const place = ((event.clientX - area.x) / area.width) * EPOCH_WIDE;
      choose(epochs.numbers.reduce((best, one) => (Math.abs(across(one) - place) < Math.abs(across(best) - place) ? one : best)));
    } },
  makeSvg("path", { class: "epoch-axis", d: `M${EPOCH_EDGE} ${up(0)}H${EPOCH_WIDE - EPOCH_EDGE}M${EPOCH_EDGE} ${up(high)}H${EPOCH_WIDE - EPOCH_EDGE}` }),
  line,
  curves.map((curve) => makeSvg("g", { class: `of-${curve.name}` },
    makeSvg("polyline", { points: curve.rows.map(([epoch, value]) => `${across(epoch)},${up(value)}`).join(" ") }),
    curve.name === "test" && curve.rows.map(([epoch, value]) => makeSvg("circle", { cx: across(epoch), cy: up(value), r: 2 })))));
  const values = curves.map(() => make("span"));
  const legend = make("p", { class: "epoch-legend" }, curves.map((curve, i) =>
    make("span", { class: `of-${curve.name}`, "data-curve": curve.name }, make("span", { class: "key", "aria-hidden": "true" }), `${words[curve.name]} `, values[i])));
  return {
    element: make("section", { class: "epoch-part", "data-curve": name },
      make("div", { class: "epoch-head" }, make("h3", {}, title), legend), svg),
    mark(epoch) {
      line.setAttribute("transform", `translate(${across(epoch)} 0)`);
      curves.forEach(({ rows }, i) => {
        const value = rows.find(([one]) => one === epoch)?.[1];
        values[i].replaceChildren(value === undefined ? words.epochNone : numeral(value, state.exact));
      });
    },
  };
}
