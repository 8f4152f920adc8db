// Occlusion: what a class's probability loses when a patch of one grey hides a part of the picture.

import { rerunLayer } from "./rerun.js";

const SLICE = 25; // milliseconds of work before the browser may draw and listen again

// A step by which about 50 to 100 positions come out, and a patch that overlaps its neighbours.
export function firstOcclusion([height, width]) {
  const step = Math.ceil(Math.sqrt(height * width) / 10);
  const side = Math.min(step + 2 * Math.floor(step / 2), height, width);
  return { side, step: Math.min(step, side), fill: "mean" };
}

// The positions, row by row. The picture is divided into cells of step x step pixels from its first
// corner; a patch lies around the middle of its cell (in an uneven case half a pixel before it) and
// is cut at the border. Ends are exclusive. With a step of at most the side, no pixel is left out.
export function occlusionGrid([height, width], side, step) {
  const [rows, columns] = [height, width].map((size) => Math.ceil(size / step));
  const before = Math.floor((side - step) / 2);
  const ends = (i, size) => [Math.max(0, i * step - before), Math.min(size, i * step - before + side)];
  const positions = Array.from({ length: rows * columns }, (_, i) => {
    const [top, bottom] = ends(Math.floor(i / columns), height);
    const [left, right] = ends(i % columns, width);
    return { top, bottom, left, right };
  });
  return { rows, columns, step, positions };
}

// The grey of a patch: 0, or the mean of all numbers of the picture. A float32, as all that the
// model is given.
export function greyOf(fill, x) {
  return fill === "zero" ? 0 : Math.fround(x.reduce((sum, value) => sum + value, 0) / x.length);
}

// A copy of the picture with a patch on it.
export function occluded(x, [, width, channels], { top, bottom, left, right }, grey) {
  const y = Float64Array.from(x);
  for (let row = top; row < bottom; row++) {
    y.fill(grey, (row * width + left) * channels, (row * width + right) * channels);
  }
  return y;
}

// Nothing computed yet: `outputs` are the network's for the picture as it is.
export function makeRun(network, outputs, { side, step, fill }) {
  const { shape } = network.input;
  const grid = occlusionGrid(shape, side, step);
  return { layers: network.layers, outputs: [...outputs], shape, x: outputs[0], whole: outputs.at(-1), grid,
    grey: greyOf(fill, outputs[0]), probabilities: [] };
}

// p(class | picture) - p(class | picture with the patch at this position).
export function dropAt({ whole, probabilities }, position, target) {
  return whole[target] - probabilities[position][target];
}

// Compute all positions that are missing, in slices, `told` after each; no more once `going` says
// false.
export async function continueRun(run, going, told) {
  let began = performance.now();
  const missing = run.grid.positions.slice(run.probabilities.length);
  for (const position of missing) {
    let y = occluded(run.x, run.shape, position, run.grey);
    let changed = [[position.top, position.bottom], [position.left, position.right]];
    for (const [i, layer] of run.layers.entries()) {
      ({ y, changed } = rerunLayer(layer, y, run.outputs[i + 1], changed));
      if (performance.now() - began < SLICE) continue;
      told();
      await nextFrame();
      if (!going()) return;
      began = performance.now();
    }
    run.probabilities.push(y);
  }
  told();
}

// After what was drawn is on the screen.
function nextFrame() {
  return new Promise((done) => {
    requestAnimationFrame(() => setTimeout(done));
  });
}
