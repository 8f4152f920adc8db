// What is seen of a pass under way: its progress, and the columns of the network that it has reached.

import { drawBoxes, drawLegend } from "./column.js";
import { rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { drawPicture } from "./pictures.js";
import { sizeOf } from "./shapes.js";
import { state } from "./state.js";
import { fillIn, words } from "./words.js";

// Fill an empty element; it is hidden, and `others` are shown, when there is no pass.
export function showProgress(box, others, pass) {
  box.hidden = pass === null;
  for (const one of others) one.hidden = pass !== null;
  if (pass === null) return;
  if (!box.firstChild) box.append(make("progress"), make("span"));
  const [bar, text] = box.children;
  const counts = { layer: pass.done, count: pass.plan.length };
  text.textContent = fillIn(words(state.language).computing, counts);
  bar.setAttribute("aria-label", text.textContent);
  Object.assign(bar, { max: counts.count, value: counts.layer });
}

// Draw the columns whose outputs are computed and were not drawn yet, and dim those that wait; with null,
// none waits. `pass.filled` are those that were drawn.
export function fillColumns(columns, pass) {
  const waiting = new Set(pass?.plan.slice(pass.done).map((i) => i + 1));
  for (const column of columns) {
    const { index, element } = column;
    element.classList.toggle("waiting", waiting.has(index));
    if (pass === null || waiting.has(index) || pass.filled.has(index)) continue;
    pass.filled.add(index);
    if (pass.outputs[index] !== state.outputs[index]) drawColumn(column, pass);
  }
}

// With the ranges known so far.
function drawColumn(column, { outputs, plan, done }) {
  const size = rangeOf(outputs[column.index]);
  const ranges = { layers: { [column.index]: size }, global: size };
  if (state.scale === "global") ranges.global = Math.max(...[0, ...plan.slice(0, done).map((i) => i + 1)].map((i) => rangeOf(outputs[i])));
  if (column.picture) drawPicture(column.picture, outputs[0], column.shape);
  drawBoxes(column, { ...state, outputs }, ranges);
  drawLegend(column, { ...state, outputs }, ranges, null);
}

// Outputs of zeros, for the picture of a network whose first pass is under way.
export function blankOutputs({ input, layers }) {
  return [input.shape, ...layers.map(({ out }) => out)].map((shape) => new Float64Array(sizeOf(shape)));
}
