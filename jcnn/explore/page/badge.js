// The check: compare the browser's numbers with those of JAX for the same picture.

import { make } from "./dom.js";
import { setNumeral, numeral } from "./digits.js";
import { tolerances } from "./tolerances.js";
import { words } from "./words.js";

// For each layer {difference, tolerance, ok}, or null if the page has no check for it.
// `difference` is the largest |browser - JAX|, `tolerance` is that of the same unit, and `ok` is
// whether every unit is within its tolerance.
export function check({ network, picture, outputs, edited }) {
  const found = network.checks.find((one) => one.picture === picture);
  const allowed = []; // for each output
  return network.layers.map((layer, i) => {
    if (picture === null || edited || !found) return null;
    const of = (list) => layer.inputs.map((one) => list[one]);
    allowed[0] ??= new Float64Array(outputs[0].length);
    allowed[i + 1] = tolerances(layer, of(outputs), of(allowed));
    const truth = found.outputs[i];
    return truth ? compare(outputs[i + 1], truth.data, allowed[i + 1]) : null;
  });
}

function compare(ours, theirs, allowed) {
  let worst = 0;
  let difference = -1;
  let ok = ours.length === theirs.length;
  for (let i = 0; i < ours.length; i++) {
    const apart = Object.is(ours[i], theirs[i]) ? 0 : Math.abs(ours[i] - theirs[i]);
    if (!(apart <= allowed[i])) ok = false;
    if (apart > difference || Number.isNaN(apart)) [difference, worst] = [apart, i];
    if (Number.isNaN(apart)) break;
  }
  return { difference, tolerance: allowed[worst], ok };
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
  badge.replaceChildren(
    make("span", { class: "sign", "aria-hidden": "true" }, result.ok ? "✓" : "✗"),
    " Δ ",
    numeral(result.difference, exact),
  );
  badge.title = `${w.check_layer}: ${result.difference} (${w.allowed}: ${result.tolerance})`;
  badge.setAttribute("aria-label", badge.title);
}

// The badge of the page: the worst layer, and the number of checked layers.
export function showSummary(badge, results, { picture, edited, language, exact }) {
  const w = words(language);
  const checked = results.filter((result) => result !== null);
  const ok = checked.every((result) => result.ok);
  mark(badge, checked.length === 0 ? "unchecked" : ok ? "ok" : "bad");
  if (checked.length === 0) {
    badge.replaceChildren(edited ? w.was_changed : picture === null ? w.own_unchecked : w.unchecked);
    return;
  }
  const worst = Math.max(...checked.map((result) => result.difference));
  badge.replaceChildren(
    make("span", { class: "sign", "aria-hidden": "true" }, ok ? "✓" : "✗"),
    ` ${ok ? w.checked : w.red} (${checked.length}/${results.length}), ${w.check_all} `,
    setNumeral(make("span"), worst, exact),
  );
}

function mark(badge, verdict) {
  badge.dataset.verdict = verdict;
}
