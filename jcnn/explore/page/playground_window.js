// Window arithmetic of the playground, with the same errors as `jcnn.ops.resolve_window`.
// An error is {refusal: {word, values}}: a key of the words, and the values of its placeholders.

// A limit of the page, not of jcnn: larger grids are impractical to fill in.
export const MOST_CELLS = 16;
export const MOST_PADDED = 32;
export const MOST_CHANNELS = 6; // of the input, and filters
export const MOST_UNITS = 10;
export const MOST_INPUTS = 64; // of a dense layer
export const MOST_SEED = 2 ** 32 - 1;

// Operations that take the input as a whole, or number by number.
export const WITHOUT_WINDOW = ["flatten", "dense", "dropout"];

const windowRefused = (word, values) => ({ refusal: { word, values } });
const isSize = (value) => Number.isInteger(value) && value >= 1;
const pythonLiteral = (value) => (typeof value === "number" ? String(value) : `'${value}'`);
const sizeText = (pair) => `${pair[0]}x${pair[1]}`;

// Sizes are [rows, columns]; padding is "valid", "same" or a number of cells on every side.
export function resolveWindow(inSize, kernel, stride, padding, dilation) {
  const sizes = { in_hw: inSize, kernel, stride, dilation };
  for (const [name, pair] of Object.entries(sizes)) {
    const wrong = pair.find((value) => !isSize(value));
    if (wrong !== undefined) return windowRefused("refused_size", { name, value: pythonLiteral(wrong) });
  }
  const span = kernel.map((cells, axis) => (cells - 1) * dilation[axis] + 1);
  const pads = padsOf(inSize, span, stride, padding);
  if (pads === null) return windowRefused("refused_padding", { value: pythonLiteral(padding) });
  const padded = inSize.map((cells, axis) => cells + pads[axis][0] + pads[axis][1]);
  if (padded.some((cells, axis) => span[axis] > cells)) {
    return windowRefused("refused_fit", {
      span: sizeText(span),
      kernel: sizeText(kernel),
      dilation: sizeText(dilation),
      input: sizeText(inSize),
      padding: `((${pads[0].join(", ")}), (${pads[1].join(", ")}))`,
    });
  }
  const outSize = padded.map((cells, axis) => Math.floor((cells - span[axis]) / stride[axis]) + 1);
  return { inSize, kernel, stride, padding: pads, dilation, span, outSize };
}

function padsOf(inSize, span, stride, padding) {
  if (padding === "valid") return [[0, 0], [0, 0]];
  if (padding === "same") {
    return inSize.map((cells, axis) => {
      const total = sameTotal(cells, span[axis], stride[axis]);
      return [Math.floor(total / 2), total - Math.floor(total / 2)];
    });
  }
  if (!Number.isInteger(padding) || padding < 0) return null;
  return [[padding, padding], [padding, padding]];
}

// The cells that "same" adds on one axis, for ceil(cells / stride) windows.
export function sameTotal(cells, span, stride) {
  return Math.max((Math.ceil(cells / stride) - 1) * stride + span - cells, 0);
}

// The window of the choices, with the extra rule for pooling and the limits of the page.
export function resolveChoices(choices) {
  const { operation, size, kernel, stride, padding, dilation } = choices;
  const refused = moreRefused(choices);
  if (refused) return refused;
  if (WITHOUT_WINDOW.includes(operation)) return resolveSizes(size, [1, 1], [1, 1], "valid", [1, 1]);
  if (operation.startsWith("global_")) return resolveSizes(size, size, [1, 1], "valid", [1, 1]);
  const pooling = operation !== "conv" && operation !== "similarity";
  const window = resolveSizes(size, kernel, stride, padding, operation === "conv" ? dilation : [1, 1]);
  const empty = (pads, axis) => Math.max(...pads) >= window.kernel[axis];
  if (pooling && !window.refusal && window.padding.some(empty)) {
    const values = { value: pythonLiteral(padding), window: `(${kernel.join(", ")})` };
    return windowRefused("refused_pooling", values);
  }
  return window;
}

// The refusal of a rate, a seed or a number of units, or null.
function moreRefused({ operation, rate, seed, units }) {
  if (operation === "dense" && !(isSize(units) && units <= MOST_UNITS)) {
    return windowRefused("refused_units", { value: String(units), most: MOST_UNITS });
  }
  if (operation !== "dropout") return null;
  if (!(typeof rate === "number" && rate >= 0 && rate < 1)) {
    return windowRefused("refused_rate", { value: String(rate) });
  }
  const whole = Number.isInteger(seed) && seed >= 0 && seed <= MOST_SEED;
  return whole ? null : windowRefused("refused_seed", { value: String(seed), most: MOST_SEED });
}

// The refusal of a dense layer with too many inputs, which depends on the channels, or null.
export function inputsRefused({ operation, size }, channels) {
  const inputs = size[0] * size[1] * channels;
  if (operation !== "dense" || inputs <= MOST_INPUTS) return null;
  return windowRefused("refused_large", { name: "inputs", value: String(inputs), most: MOST_INPUTS });
}

function resolveSizes(size, kernel, stride, padding, dilation) {
  const window = resolveWindow(size, kernel, stride, padding, dilation);
  for (const [name, pair] of [["in_hw", size], ["kernel", kernel]]) {
    const many = pair.find((cells) => isSize(cells) && cells > MOST_CELLS);
    if (many !== undefined) {
      return windowRefused("refused_large", { name, value: String(many), most: MOST_CELLS });
    }
  }
  if (window.refusal) return window;
  const padded = size.map((cells, axis) => cells + window.padding[axis][0] + window.padding[axis][1]);
  if (Math.max(...padded) > MOST_PADDED) {
    return windowRefused("refused_padded", { size: sizeText(padded), most: sizeText([MOST_PADDED, MOST_PADDED]) });
  }
  return window;
}
