// An activation: f(x) = y at one unit, and the curve with the point on it.

import { rangeOf } from "./colour.js";
import { curvePicture } from "./curve.js";
import { make } from "./dom.js";
import { EQUALS, equation } from "./equation.js";
import { mapPicture } from "./map_picture.js";
import { showSoftmax } from "./softmax_view.js";
import { fillPanel, viewHead, viewed } from "./view_panel.js";
import { viewWords } from "./view_words.js";

export function showActivation(panel, state) {
  const { layer, unit, x, y, place } = viewed(state);
  if (layer.function === "softmax") {
    showSoftmax(panel, state);
    return;
  }
  const text = viewWords[state.language];
  const { row, column, channel } = place;
  const box = [row, column, 1, 1];
  const range = Math.max(rangeOf(x), rangeOf(y));
  fillPanel(panel,
    viewHead(state, `${text.activationTitle}: ${layer.function}`),
    make("p", {}, text.activationIntro),
    make("p", { class: "formula" }, activationFormula(layer)),
    equation(state, ["x", EQUALS, x[unit]]),
    equation(state, ["f(x) = ", ...activationSteps(layer, x[unit]), EQUALS, y[unit]], layer.function === "relu"),
    make("div", { class: "view-columns" },
      curvePicture(layer, x[unit], y[unit], text.activationCurve),
      ...(layer.out.length === 3 ? [
        mapPicture(x, layer.in, channel, box, range, text.viewBefore),
        mapPicture(y, layer.out, channel, box, range, text.viewAfter),
      ] : [])));
}

function activationFormula({ function: name, slope, alpha = 1 }) {
  const formulas = {
    relu: "f(x) = max(x, 0)",
    leaky_relu: `f(x) = x (x > 0); ${slope} × x (x ≤ 0)`,
    gelu: "f(x) = x × Φ(x),  Φ(x) = (1 + erf(x / √2)) / 2",
    sigmoid: "f(x) = 1 / (1 + exp(−x))",
    tanh: "f(x) = (exp(x) − exp(−x)) / (exp(x) + exp(−x))",
    silu: "f(x) = x / (1 + exp(−x))",
    softplus: "f(x) = log(1 + exp(x))",
    elu: `f(x) = x (x > 0); ${alpha === 1 ? "" : `${alpha} × `}(exp(x) − 1) (x ≤ 0)`,
    relu6: "f(x) = min(max(x, 0), 6)",
    hard_sigmoid: "f(x) = min(max(x + 3, 0), 6) / 6",
    hard_swish: "f(x) = x × min(max(x + 3, 0), 6) / 6",
    mish: "f(x) = x × tanh(log(1 + exp(x)))",
  };
  return formulas[name] ?? `f(x) = ${name}(x)`;
}

// The formula with x filled in, as the left side of the equation.
function activationSteps({ function: name, slope, alpha = 1 }, x) {
  const steps = {
    relu: ["max(", x, ", 0)"],
    leaky_relu: x > 0 ? [x] : [slope, " × (", x, ")"],
    sigmoid: ["1 / (1 + exp(", -x, "))"],
    silu: [x, " / (1 + exp(", -x, "))"],
    softplus: ["log(1 + exp(", x, "))"],
    elu: x > 0 ? [x] : [...(alpha === 1 ? [] : [alpha, " × "]), "(exp(", x, ") − 1)"],
    relu6: ["min(max(", x, ", 0), 6)"],
    hard_sigmoid: ["min(max(", x, " + 3, 0), 6) / 6"],
    hard_swish: [x, " × min(max(", x, " + 3, 0), 6) / 6"],
    mish: [x, " × tanh(log(1 + exp(", x, ")))"],
  };
  return steps[name] ?? [`${name}(`, x, ")"];
}
