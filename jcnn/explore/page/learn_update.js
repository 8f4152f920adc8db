// The optimizers of a training in the page, as in Optax: w is a weight, g its gradient, t the number
// of the update, 1 for the first.

export const MOMENTUM = 0.9;
export const BETAS = [0.9, 0.999];
export const EPSILON = 1e-8;

// The numbers that an optimizer keeps for each weight.
const KEPT = { sgd: [], momentum: ["trace"], adam: ["mean", "square"] };

export const OPTIMIZERS = Object.keys(KEPT);

export function makeMemory(optimizer, weights) {
  return weights.map((arrays) => Object.fromEntries(Object.entries(arrays).map(([name, { length }]) =>
    [name, Object.fromEntries(KEPT[optimizer].map((kept) => [kept, new Float64Array(length)]))])));
}

// sgd: w -= rate g. momentum: trace = g + 0.9 trace, w -= rate trace. adam (Kingma and Ba, 2015):
// mean and square are running means of g and g^2, divided by 1 - beta^t for their start at zero.
export function moveWeights(optimizer, rate, t, weights, gradient, memory) {
  MOVES[optimizer](rate, t, weights, gradient, memory);
}

const MOVES = {
  sgd: (rate, t, weights, gradient) => {
    for (let i = 0; i < weights.length; i++) weights[i] -= rate * gradient[i];
  },
  momentum: (rate, t, weights, gradient, { trace }) => {
    for (let i = 0; i < weights.length; i++) {
      trace[i] = gradient[i] + MOMENTUM * trace[i];
      weights[i] -= rate * trace[i];
    }
  },
  adam: (rate, t, weights, gradient, { mean, square }) => {
    const [first, second] = BETAS;
    const corrections = [1 - first ** t, 1 - second ** t];
    for (let i = 0; i < weights.length; i++) {
      const g = gradient[i];
      mean[i] = first * mean[i] + (1 - first) * g;
      square[i] = second * square[i] + (1 - second) * g * g;
      weights[i] -= (rate * (mean[i] / corrections[0])) / (Math.sqrt(square[i] / corrections[1]) + EPSILON);
    }
  },
};
