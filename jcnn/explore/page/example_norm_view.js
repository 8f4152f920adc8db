// Layer and group normalisation, with the mean and the variance of the example, step by step.

import { rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { EQUALS, bracketed, equation } from "./equation.js";
import { momentsOf, setOf } from "./example_norm.js";
import { graphWords } from "./graph_words.js";
import { mapPicture } from "./map_picture.js";
import { fillPanel, viewHead, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

export function showExampleNorm(panel, state) {
  const { layer, unit, x, y, place } = viewed(state);
  const [text, general] = [graphWords[state.language], viewWords[state.language]];
  const { row, column, channel } = place;
  const set = setOf(layer, unit);
  const moments = momentsOf(layer, x);
  const [mean, variance] = [moments.mean[set], moments.variance[set]];
  const scale = layer.arrays.scale?.data[channel];
  const offset = layer.arrays.offset?.data[channel];
  const centred = x[unit] - mean;
  const spread = Math.sqrt(variance + layer.epsilon);
  const normal = centred / spread;
  const scaled = scale === undefined ? normal : normal * scale;
  const box = [row, column, 1, 1];
  const range = Math.max(rangeOf(x), rangeOf(y));
  fillPanel(panel,
    viewHead(state, text[`${layer.kind}Title`]),
    make("p", {}, fillIn(text[`${layer.kind}Intro`], { count: moments.count, set, groups: layer.groups })),
    make("p", { class: "formula" }, `y = (x − ${general.normMean}) / √(${general.normVariance} + ε)`
      + `${scale === undefined ? "" : ` × ${general.normScale}`}`
      + `${offset === undefined ? "" : ` + ${general.normOffset}`}`),
    equation(state, [`${general.normMean} = Σ x / `, moments.count, EQUALS, mean]),
    equation(state, [`${general.normVariance} = Σ (x − ${general.normMean})² / `, moments.count, EQUALS, variance]),
    equation(state, [`x − ${general.normMean} = `, x[unit], " − ", ...bracketed(mean), EQUALS, centred]),
    equation(state, [`√(${general.normVariance} + ε) = √(`, variance, " + ", layer.epsilon, ")", EQUALS, spread]),
    equation(state, [...bracketed(centred), " / ", spread, EQUALS, normal]),
    scale !== undefined && equation(state, [`× ${general.normScale}: `, normal, " × ", ...bracketed(scale), EQUALS, scaled]),
    offset !== undefined && equation(state, [`+ ${general.normOffset}: `, scaled, " + ", ...bracketed(offset), EQUALS, y[unit]]),
    equation(state, ["y", EQUALS, y[unit]]),
    layer.out.length === 3 && make("div", { class: "view-columns" },
      mapPicture(x, layer.in, channel, box, range, general.viewBefore),
      mapPicture(y, layer.out, channel, box, range, general.viewAfter)));
}
