// The derivatives of the chosen class's logit, layer by layer from the last, with pauses for the browser.

import { firstGradients, stepBack } from "./backward.js";
import { logitsOf } from "./gradcam.js";
import { nextFrame, SLICE } from "./occlusion.js";

// The run for these outputs and this class. It is kept in `state.backRun`, since another method may
// need it further back.
export function backRun(state, target) {
  const { network, outputs } = state;
  const known = state.backRun;
  if (known?.outputs === outputs && known.target === target) return known;
  const logits = logitsOf(network.layers);
  return (state.backRun = { layers: network.layers, outputs, target, logits, next: logits - 1,
    gradients: firstGradients(outputs, logits, target) });
}

// The derivatives by outputs[first], once known; zeros where the logit does not depend on it.
export function gradientBy(run, first) {
  if (run.next >= first) return null;
  return run.gradients[first] ?? new Float64Array(run.outputs[first].length);
}

// Go back to outputs[first] in slices, calling `notify` after each, until `going` returns false. What
// fits in one slice is done when this returns.
export async function continueBack(run, first, going, notify) {
  let began = performance.now();
  while (run.next >= first) {
    stepBack(run.layers, run.outputs, run.gradients, run.next);
    run.next -= 1;
    if (run.next < first || performance.now() - began < SLICE) continue;
    notify();
    await nextFrame();
    if (!going()) return;
    began = performance.now();
  }
  notify();
}
