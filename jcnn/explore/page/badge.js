// The check: compare the browser's numbers with those of JAX for the same picture.

import { rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { checksOf } from "./epochs.js";
import { setNumeral, numeral } from "./digits.js";
import { nextFrame } from "./occlusion.js";
import { tolerances } from "./tolerances.js";
import { fillIn, words } from "./words.js";
import { resting } from "./worker_link.js";

// Whatever its terms, no unit may be further off than this share of the layer's largest number: a
// larger difference would be seen.
const SEEN = 1e-3;
const CHECK_SLICE = 12; // milliseconds of work in a frame

// For each layer {difference, tolerance, overflow, ok}, or null if the page has no check for it.
// `difference` is the largest |browser - JAX| and `tolerance` is that of the same unit, both divided
// by the largest number of the layer where that is above 1. `overflow` is whether a number is too
// large for JAX's 32-bit floats, or none. `ok` is whether no number overflows and every unit is within
// its tolerance.
export function check(state) {
  const parts = checking(state);
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
  }
}

// The same in slices, between which the browser paints; null if `going()` is false after one.
export async function checkInSlices(state, going) {
  const rest = resting(CHECK_SLICE, nextFrame);
  const parts = checking(state);
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
    await rest();
    if (!going()) return null;
  }
}

// The same in parts, between which the caller can rest.
export function* checking({ network, picture, outputs, edited, epoch }) {
  const found = checksOf(network, epoch).find((one) => one.picture === picture);
  const allowed = [new Float64Array(outputs[0].length)]; // for each output
  function* allowedOf(index) {
    if (allowed[index]) return allowed[index];
    const layer = network.layers[index - 1];
    const befores = [];
    for (const one of layer.inputs) befores.push(yield* allowedOf(one));
    allowed[index] = tolerances(layer, layer.inputs.map((one) => outputs[one]), befores);
    yield;
    return allowed[index];
  }
  const results = [];
  for (const i of network.layers.keys()) {
    const truth = picture !== null && !edited && found?.outputs[i];
    results.push(truth ? yield* compare(outputs[i + 1], truth.data, () => allowedOf(i + 1)) : null);
    yield;
  }
  return results;
}

// The tolerances take as long as the layers. None is below 1e-5 times the number itself or 1, which is
// mostly enough.
function* compare(ours, theirs, allowedOf) {
  const size = Math.max(1, rangeOf(theirs));
  const least = (i) => 1e-5 * Math.max(1, Math.abs(ours[i]));
  const enough = ours.every((value, i) => Math.abs(value - theirs[i]) <= least(i));
  const allowed = enough ? null : yield* allowedOf();
  const tolerance = (i) => Math.min(allowed ? allowed[i] : least(i), SEEN * size);
  let worst = 0;
  let difference = -1;
  let overflow = false;
  let ok = ours.length === theirs.length;
  for (let i = 0; i < ours.length; i++) {
    const apart = Math.abs(ours[i] - theirs[i]);
    overflow ||= !Number.isFinite(theirs[i]) || !Number.isFinite(Math.fround(ours[i]));
    if (!(apart <= tolerance(i))) ok = false;
    if (apart > difference) [difference, worst] = [apart, i];
  }
  return { difference: difference / size, tolerance: tolerance(worst) / size, overflow, ok: ok && !overflow };
}

// The badge of one layer.
export function showBadge(badge, result, { language, exact }) {
  const w = words(language);
  mark(badge, result === null ? "unchecked" : result.ok ? "ok" : "bad");
  if (result === null) {
    badge.replaceChildren(w.unchecked);
    badge.removeAttribute("title");
    badge.removeAttribute("aria-label");
    return;
  }
  badge.replaceChildren(sign(result.ok), ...(result.overflow ? [` ${w.overflow}`] : [" Δ ", numeral(result.difference, exact)]));
  badge.title = result.overflow ? w.overflow_layer : `${w.check_layer}: ${result.difference} (${w.allowed}: ${result.tolerance})`;
  badge.setAttribute("aria-label", badge.title);
}

// The badge of the page: how many layers were compared, with what result, and the worst difference.
export function showSummary(badge, results, { picture, edited, language, exact }) {
  const w = words(language);
  const checked = results.filter((result) => result !== null);
  const wrong = checked.filter((result) => !result.ok);
  const ok = wrong.length === 0;
  mark(badge, checked.length === 0 ? "unchecked" : ok ? "ok" : "bad");
  if (checked.length === 0) {
    badge.replaceChildren(edited ? w.was_changed : picture === null ? w.own_unchecked : w.unchecked);
    return;
  }
  const counts = { checked: checked.length, all: results.length, wrong: wrong.length, left: results.length - checked.length };
  const said = [fillIn(`${w.compared}${ok ? w.same : w.red}`, counts)];
  if (counts.left > 0) said.push(fillIn(w.not_included, counts));
  if (checked.some((result) => result.overflow)) {
    badge.replaceChildren(sign(ok), ` ${[...said, w.overflow].join(w.and)}`);
    return;
  }
  const worst = Math.max(...checked.map((result) => result.difference));
  badge.replaceChildren(sign(ok), ` ${[...said, w.check_all].join(w.and)} `, setNumeral(make("span"), worst, exact));
}

function sign(ok) {
  return make("span", { class: "sign", "aria-hidden": "true" }, ok ? "✓" : "✗");
}

function mark(badge, verdict) {
  badge.dataset.verdict = verdict;
}
