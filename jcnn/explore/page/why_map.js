// Numbers drawn over the picture, with a legend; a pixel can be chosen by pointer or keys.

import { colourOf } from "./colour.js";
import { setNumeral } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { drawOver, drawOverLegend } from "./occlusion_map.js";
import { fillIn } from "./words.js";
import { whyWords } from "./why_words.js";

// {figure, show(values), choose(place)}: `values` are those of the pixels, or null while they are
// computed; `lowest` is -1 for values of both signs, else 0. `point(place)` is called with the index of
// the pixel under the pointer or the keys, null for the largest.
export function overPicture(state, caption, lowest, point) {
  const { shape } = state.network.input;
  const [height, width] = shape;
  const why = whyWords[state.language];
  const canvas = make("canvas");
  const legend = make("canvas");
  const scale = make("p", { class: "scale" }, (lowest ? [0, 1, 2] : [0, 1]).map(() => make("span")));
  const spot = makeSvg("path", { class: "occ-spot" });
  const frame = make("div", { class: "map-frame occ-map", tabindex: 0, role: "application", "data-key": "map",
    "aria-label": `${caption}. ${why.whyHint}`, style: { aspectRatio: `${width} / ${height}` } }, canvas,
  makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, spot));
  let place = 0;
  listenOnPixels(frame, shape, () => place, point);
  return {
    figure: make("figure", { class: "why-map" }, frame, make("figcaption", {}, caption),
      make("div", { class: "legend occ-legend" }, legend, scale, make("p", {}, why.whyLegend))),
    show(values) {
      const range = values?.reduce((most, value) => Math.max(most, Math.abs(value)), 0) ?? 0;
      drawOver(canvas, state.outputs[0], shape, (row, column) => values && colourOf(values[row * width + column], range) || undefined);
      drawOverLegend(legend, lowest);
      const ends = lowest ? [-range, 0, range] : [0, range];
      ends.forEach((value, i) => setNumeral(scale.children[i], value || 0, false));
    },
    choose(chosen) {
      place = chosen;
      const [row, column] = [Math.floor(place / width), place % width];
      spot.setAttribute("d", `M${column} ${row}h1v1h-1z`);
    },
  };
}

function listenOnPixels(frame, [height, width], placeNow, point) {
  const inside = (row, column) => row >= 0 && column >= 0 && row < height && column < width;
  const follow = (event) => {
    const area = frame.getBoundingClientRect();
    const row = Math.floor(((event.clientY - area.y) / area.height) * height);
    const column = Math.floor(((event.clientX - area.x) / area.width) * width);
    if (inside(row, column)) point(row * width + column, false);
  };
  frame.addEventListener("pointermove", follow);
  frame.addEventListener("click", follow);
  frame.addEventListener("keydown", (event) => {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if ((!way && event.key !== "Escape") || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (!way) return point(null, true);
    const row = Math.floor(placeNow() / width) + way[0];
    const column = (placeNow() % width) + way[1];
    point(inside(row, column) ? row * width + column : placeNow(), true);
  });
}

// "Row 3, column 5".
export function pixelText(state, place) {
  const [, width] = state.network.input.shape;
  return fillIn(whyWords[state.language].whyPixel, { row: Math.floor(place / width), column: place % width });
}
