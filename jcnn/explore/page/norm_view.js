// Batch normalisation in eval mode, with the running mean and variance, step by step.

import { rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { EQUALS, bracketed, equation } from "./equation.js";
import { mapPicture } from "./map_picture.js";
import { fillPanel, viewHead, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

export function showNorm(panel, state) {
  const seen = viewed(state);
  const text = viewWords[state.language];
  const { channel } = seen.place;
  const numbers = Object.fromEntries(
    Object.entries(seen.layer.arrays).map(([name, array]) => [name, array.data[channel]]),
  );
  fillPanel(panel,
    viewHead(state, text.normTitle),
    make("p", {}, fillIn(text.normIntro, { channel })),
    ...normSteps(state, seen, numbers));
}

// The formula and the steps of a normalisation by `mean` and `variance`; `first` stands between.
export function normSteps(state, { layer, unit, x, y, place }, { mean, variance, scale, offset }, first = []) {
  const text = viewWords[state.language];
  const { row, column, channel } = place;
  const centred = x[unit] - mean;
  const spread = Math.sqrt(variance + layer.epsilon);
  const normal = centred / spread;
  const scaled = scale === undefined ? normal : normal * scale;
  const box = [row, column, 1, 1];
  const range = Math.max(rangeOf(x), rangeOf(y));
  return [
    make("p", { class: "formula" }, `y = (x − ${text.normMean}) / √(${text.normVariance} + ε)`
      + `${scale === undefined ? "" : ` × ${text.normScale}`}`
      + `${offset === undefined ? "" : ` + ${text.normOffset}`}`),
    ...first,
    equation(state, [`x − ${text.normMean} = `, x[unit], " − ", ...bracketed(mean),
      EQUALS, centred]),
    equation(state, [`√(${text.normVariance} + ε) = √(`, variance, " + ", layer.epsilon, ")",
      EQUALS, spread]),
    equation(state, [...bracketed(centred), " / ", spread, EQUALS, normal]),
    scale !== undefined && equation(state, [`× ${text.normScale}: `, normal, " × ",
      ...bracketed(scale), EQUALS, scaled]),
    offset !== undefined && equation(state, [`+ ${text.normOffset}: `, scaled, " + ",
      ...bracketed(offset), EQUALS, y[unit]]),
    equation(state, ["y", EQUALS, y[unit]]),
    layer.out.length === 3 && make("div", { class: "view-columns" },
      mapPicture(x, layer.in, channel, box, range, text.viewBefore),
      mapPicture(y, layer.out, channel, box, range, text.viewAfter)),
  ];
}
