// The kernels of the first convolution, in one colour range for all epochs.

import { drawMap, rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { epochWords } from "./epochs_words.js";
import { upTo } from "./shapes.js";
import { fillIn } from "./words.js";

const MOST_KERNELS = 16;

// {element, mark()}, or null where the first convolution reads more than three channels.
export function firstKernels(state) {
  const { layers, epochs } = state.network;
  const index = layers.findIndex(({ kind }) => kind === "conv");
  if (index < 0) return null;
  const { data, shape: [height, width, channels, filters] } = layers[index].arrays.kernel;
  if (channels > 3) return null;
  const range = Math.max(...epochs.weights.map((weights) => rangeOf(weights[index].kernel)));
  const shown = upTo(Math.min(filters, Math.floor(MOST_KERNELS / channels)));
  const canvases = shown.map(() => upTo(channels).map(() => make("canvas")));
  return {
    element: make("figure", { class: "epoch-part epoch-kernels", "data-range": range },
      make("div", { class: "row" }, canvases.map((of) => make("span", {}, of))),
      make("figcaption", {}, fillIn(epochWords[state.language].epochKernels, { layer: layers[index].name }))),
    mark() {
      for (const filter of shown) {
        canvases[filter].forEach((canvas, k) =>
          drawMap(canvas, data, k * filters + filter, channels * filters, height, width, range));
      }
    },
  };
}
