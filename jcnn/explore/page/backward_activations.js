// The derivatives of the elementwise functions, and of softmax.

import { erfc, sigmoid, softplus } from "./forward.js";

// f'(v) by the function's name. At a corner it is that of one piece, as in jcnn.ops.
const SLOPES = {
  identity: () => 1,
  relu: (v) => (v <= 0 ? 0 : 1),
  relu6: (v) => (v <= 0 || v >= 6 ? 0 : 1),
  leaky_relu: (v, { slope }) => (v > 0 ? 1 : slope),
  elu: (v, { alpha = 1 }) => (v > 0 ? 1 : alpha * Math.exp(v)),
  selu: (v) => 1.0507009873554805 * (v > 0 ? 1 : 1.6732632423543772 * Math.exp(v)),
  gelu: (v) => erfc(-v / Math.SQRT2) / 2 + (v * Math.exp((-v * v) / 2)) / Math.sqrt(2 * Math.PI),
  gelu_tanh: (v) => {
    const inner = Math.sqrt(8 / Math.PI) * (v + 0.044715 * v ** 3);
    const slope = Math.sqrt(8 / Math.PI) * (1 + 3 * 0.044715 * v * v);
    return sigmoid(inner) + v * sigmoidSlope(inner) * slope;
  },
  sigmoid: sigmoidSlope,
  tanh: (v) => 4 * sigmoidSlope(2 * v),
  silu: (v) => sigmoid(v) + v * sigmoidSlope(v),
  hard_sigmoid: (v) => (v <= -3 || v >= 3 ? 0 : 1 / 6),
  hard_swish: (v) => (v <= -3 ? 0 : v >= 3 ? 1 : (2 * v + 3) / 6),
  mish: (v) => Math.tanh(softplus(v)) + 4 * v * sigmoidSlope(2 * softplus(v)) * sigmoid(v),
  softplus: sigmoid,
};

// s (1 - s), without the cancellation of 1 - s.
function sigmoidSlope(v) {
  return sigmoid(v) * sigmoid(-v);
}

export function activationBack(layer, gradient, x, y) {
  if (layer.function === "softmax") return softmaxBack(layer, gradient, x, y);
  const slope = SLOPES[layer.function];
  return gradient.map((value, i) => (value === 0 ? 0 : value * slope(x[i], layer)));
}

// y (g - sum of y g), over the last axis.
export function softmaxBack(layer, gradient, x, y) {
  const classes = layer.out.at(-1);
  const back = new Float64Array(y.length);
  for (let start = 0; start < y.length; start += classes) {
    let mean = 0;
    for (let i = start; i < start + classes; i++) mean += y[i] * gradient[i];
    for (let i = start; i < start + classes; i++) back[i] = y[i] * (gradient[i] - mean);
  }
  return back;
}
