// The curves of a training: the loss by step, and the accuracies by epoch.

import { shown } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { fillIn } from "./words.js";

const [PLOT_WIDE, PLOT_HIGH] = [360, 160];
const [PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, PLOT_BOTTOM] = [34, 8, 8, 16];
const MOST_POINTS = 180;

// Two figures, and `show(training, held)` that draws them.
export function makeCurves(text) {
  const loss = chart(text.lossTitle, [["learned", text.lossNow]]);
  const score = chart(text.scoreTitle, [["learned", text.learnedNow], ["held", ""]]);
  return {
    elements: [loss.element, score.element],
    show: (training, held) => {
      const { steps, scores } = training;
      const last = Math.max(1, steps.at(-1)?.step ?? 0);
      const losses = thinned(steps).map(({ step, loss: value }) => [step, value]);
      const highest = Math.max(1e-6, ...losses.map(([, value]) => value).filter(Number.isFinite));
      loss.draw([losses], last, highest, [steps.at(-1)?.loss ?? null], text);
      const of = (name) => scores.filter((one) => one[name] !== null).map((one) => [one.step, one[name]]);
      const [learned, kept] = [of("learned"), of("held")];
      score.legend[1].textContent = fillIn(text.heldNow, { count: held });
      score.draw([learned, kept], last, 1, [learned.at(-1)?.[1] ?? null, kept.at(-1)?.[1] ?? null], text);
    },
  };
}

// Means of neighbouring steps, where there are more than fit.
function thinned(steps) {
  const each = Math.ceil(steps.length / MOST_POINTS);
  if (each < 2) return steps;
  return Array.from({ length: Math.ceil(steps.length / each) }, (_, i) => {
    const part = steps.slice(i * each, (i + 1) * each);
    return { step: part.at(-1).step, loss: part.reduce((sum, one) => sum + one.loss, 0) / part.length };
  });
}

function chart(title, lines) {
  const svg = makeSvg("svg", { viewBox: `0 0 ${PLOT_WIDE} ${PLOT_HIGH}`, role: "img" });
  const values = lines.map(() => make("b"));
  const legend = lines.map(([, said]) => make("span", {}, said));
  const element = make("figure", { class: "train-curve" }, make("figcaption", {}, make("h3", {}, title),
    lines.map(([name], i) => make("span", { class: `train-key ${name}` }, values[i], " ", legend[i]))), svg);
  const across = (step, last) => PLOT_LEFT + (step / last) * (PLOT_WIDE - PLOT_LEFT - PLOT_RIGHT);
  const up = (value, highest) => PLOT_HIGH - PLOT_BOTTOM - (value / highest) * (PLOT_HIGH - PLOT_TOP - PLOT_BOTTOM);
  const draw = (curves, last, highest, now, text) => {
    now.forEach((value, i) => (values[i].textContent = value === null ? "–" : shown(round(value))));
    svg.setAttribute("aria-label", `${title}: ${now.map((value, i) =>
      `${legend[i].textContent} ${value === null ? text.none : shown(round(value))}`).join(", ")}`);
    const word = (x, y, anchor, said) => makeSvg("text", { x, y, "text-anchor": anchor }, said);
    svg.replaceChildren(
      makeSvg("path", { class: "train-axis", d: `M${PLOT_LEFT} ${PLOT_TOP}V${PLOT_HIGH - PLOT_BOTTOM}H${PLOT_WIDE - PLOT_RIGHT}` }),
      word(PLOT_LEFT - 4, PLOT_TOP + 8, "end", curves.every((one) => one.length === 0) ? "" : shown(round(highest))), word(PLOT_LEFT - 4, PLOT_HIGH - PLOT_BOTTOM, "end", "0"),
      word(PLOT_WIDE - PLOT_RIGHT, PLOT_HIGH - 3, "end", `${text.byStep} ${last}`),
      ...curves.flatMap((points, i) => [
        makeSvg("polyline", { class: `train-line ${lines[i][0]}`, points: points.filter(([, value]) => Number.isFinite(value))
          .map(([step, value]) => `${across(step, last).toFixed(1)},${up(value, highest).toFixed(1)}`).join(" ") }),
        ...points.slice(-1).filter(([, value]) => Number.isFinite(value)).map(([step, value]) => makeSvg("circle",
          { class: `train-point ${lines[i][0]}`, cx: across(step, last), cy: up(value, highest), r: 3 })),
      ]));
  };
  return { element, legend, draw };
}

// Enough digits for a curve.
function round(value) {
  return Number(value.toPrecision(3));
}
