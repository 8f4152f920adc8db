// Layer and group normalisation, with the mean and the variance of the example, step by step.

import { make } from "./dom.js";
import { EQUALS, equation } from "./equation.js";
import { momentsOf, setOf } from "./example_norm.js";
import { graphWords } from "./graph_words.js";
import { normSteps } from "./norm_view.js";
import { fillPanel, viewHead, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

export function showExampleNorm(panel, state) {
  const seen = viewed(state);
  const { layer, unit, x, place } = seen;
  const [text, general] = [graphWords[state.language], viewWords[state.language]];
  const set = setOf(layer, unit);
  const moments = momentsOf(layer, x);
  const [mean, variance] = [moments.mean[set], moments.variance[set]];
  const scale = layer.arrays.scale?.data[place.channel];
  const offset = layer.arrays.offset?.data[place.channel];
  fillPanel(panel,
    viewHead(state, text[`${layer.kind}Title`]),
    make("p", {}, fillIn(text[`${layer.kind}Intro`], { count: moments.count, set, groups: layer.groups })),
    ...normSteps(state, seen, { mean, variance, scale, offset }, [
      equation(state, [`${general.normMean} = Σ x / `, moments.count, EQUALS, mean]),
      equation(state, [`${general.normVariance} = Σ (x − ${general.normMean})² / `, moments.count, EQUALS, variance]),
    ]));
}
