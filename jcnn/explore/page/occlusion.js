// Occlusion: the drop in the probability of a class when a grey patch hides part of the picture.

import { rerunLayer } from "./rerun.js";

export const SLICE = 25; // milliseconds of work before yielding to the browser

// A step that gives about 50 to 100 positions, and a patch that overlaps its neighbours.
export function firstOcclusion([height, width]) {
  const step = Math.ceil(Math.sqrt(height * width) / 10);
  const side = Math.min(step + 2 * Math.floor(step / 2), height, width);
  return { side, step: Math.min(step, side), fill: "mean" };
}

// The positions, row by row. The picture is divided into cells of step x step pixels from the upper
// left corner; a patch is centred on its cell (or half a pixel before) and cut at the edge. Ends are
// exclusive. If the step is at most the side, every pixel is covered.
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

// The grey level of a patch: 0, or the mean of the picture. A float32, like every input of the
// model.
export function greyOf(fill, x) {
  return fill === "zero" ? 0 : Math.fround(x.reduce((sum, value) => sum + value, 0) / x.length);
}

// A copy of the picture with a patch.
export function occluded(x, [, width, channels], { top, bottom, left, right }, grey) {
  const y = Float64Array.from(x);
  for (let row = top; row < bottom; row++) {
    y.fill(grey, (row * width + left) * channels, (row * width + right) * channels);
  }
  return y;
}

// The initial results; `outputs` are those of the network for the picture without a patch.
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

// Compute the missing positions in slices, calling `notify` after each, until `going` returns false.
export async function continueRun(run, going, notify) {
  let began = performance.now();
  const missing = run.grid.positions.slice(run.probabilities.length);
  for (const position of missing) {
    const ys = [occluded(run.x, run.shape, position, run.grey)];
    const changes = [[[position.top, position.bottom], [position.left, position.right]]];
    for (const [i, layer] of run.layers.entries()) {
      const of = (list) => layer.inputs.map((one) => list[one]);
      const { y, changed } = rerunLayer(layer, of(ys), run.outputs[i + 1], of(changes));
      ys.push(y);
      changes.push(changed);
      if (performance.now() - began < SLICE) continue;
      notify();
      await nextFrame();
      if (!going()) return;
      began = performance.now();
    }
    run.probabilities.push(ys.at(-1));
  }
  notify();
}

// After the next paint.
export function nextFrame() {
  return new Promise((done) => {
    requestAnimationFrame(() => setTimeout(done));
  });
}
