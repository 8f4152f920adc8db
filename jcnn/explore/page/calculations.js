// The sizes and counts of the lectures, as expression trees that give both the text and the value.
// A list holds several results; a function counts where there is no formula.

const signNode = (mark) => (...parts) => ({ mark, parts });
const plusOf = signNode("+");
const minusOf = signNode("−");
const timesOf = signNode("×");
const overOf = signNode("÷");
const floorOf = signNode("⌊⌋");
const ceilOf = signNode("⌈⌉");

// Output size of one axis: floor((cells + padding - kernel) / stride) + 1.
const slidCells = (cells, kernel, stride = 1, padding = 0) =>
  plusOf(floorOf(overOf(minusOf(padding ? plusOf(cells, padding) : cells, kernel), stride)), 1);
const convCount = (size, channels, filters) => timesOf(plusOf(timesOf(size, size, channels), 1), filters);
const denseCount = (inputs, outputs) => timesOf(plusOf(inputs, 1), outputs);

export const CALCULATIONS = [
  { id: "001_map", lecture: "B", result: [slidCells(32, 5), slidCells(32, 5), 6] },
  { id: "001_quiz", lecture: "B", result: slidCells(5, 3) },
  { id: "002_pixels", lecture: "C", result: timesOf(640, 480) },
  { id: "002_count", lecture: "C", title: "pictures_that_fit", result: countPictures },
  { id: "003_dense784", lecture: "D", result: timesOf(28, 28, 10), printed: 7850 },
  { id: "003_dense224", lecture: "D", result: timesOf(224, 224, 10) },
  { id: "003_dense1024", lecture: "D", result: timesOf(1024, 1024, 10) },
  { id: "003_params_conv", lecture: "D", result: convCount(3, 1, 32) },
  { id: "003_params_dense", lecture: "D", result: denseCount(timesOf(28, 28, 32), 10) },
  {
    id: "003_totals",
    lecture: "D",
    result: [
      plusOf(convCount(3, 1, 32), denseCount(timesOf(28, 28, 32), 10)),
      plusOf(convCount(3, 1, 32), convCount(3, 32, 64), denseCount(timesOf(28, 28, 64), 10)),
      plusOf(convCount(3, 1, 32), convCount(3, 32, 64), denseCount(timesOf(14, 14, 64), 10)),
    ],
  },
  { id: "003_steps", lecture: "D", result: ceilOf(overOf(timesOf(60000, 0.8), 64)) },
  {
    id: "003_quarter",
    lecture: "D",
    result: [
      overOf(denseCount(timesOf(14, 14, 64), 10), denseCount(timesOf(28, 28, 64), 10)),
      overOf(144266, 520586),
    ],
  },
  { id: "004_features", lecture: "E", result: [slidCells(6, 2), slidCells(6, 2), 5] },
  { id: "004_similarity", lecture: "E", result: [overOf(plusOf(1, 1, 1, 1), 4), overOf(plusOf(1, 0, 1, 1), 4)] },
  {
    id: "004_shapes",
    lecture: "E",
    result: [
      [slidCells(100, 3, 1, 2), slidCells(100, 3, 1, 2), 32],
      [slidCells(100, 3), slidCells(100, 3), 32],
      [slidCells(98, 2, 2), slidCells(98, 2, 2), 32],
      [slidCells(49, 3, 1, 2), slidCells(49, 3, 1, 2), 64],
      [slidCells(49, 3), slidCells(49, 3), 64],
      [slidCells(47, 2, 2), slidCells(47, 2, 2), 64],
    ],
  },
];

const SIGN_VALUES = {
  "+": (parts) => parts.reduce((sum, part) => sum + part),
  "−": ([first, second]) => first - second,
  "×": (parts) => parts.reduce((product, part) => product * part),
  "÷": ([first, second]) => first / second,
  "⌊⌋": ([part]) => Math.floor(part),
  "⌈⌉": ([part]) => Math.ceil(part),
};
const SIGN_BINDS = { "+": 1, "−": 1, "×": 2, "÷": 2 };

// The value of a tree, or the values of a list.
export function calculated(tree) {
  if (typeof tree === "number") return tree;
  if (typeof tree === "function") return tree();
  if (Array.isArray(tree)) return tree.map(calculated);
  return SIGN_VALUES[tree.mark](tree.parts.map(calculated));
}

// A tree as text, with brackets where needed.
export function formulaText(tree) {
  if (typeof tree === "number") return tree.toLocaleString("en");
  if (tree.mark === "⌊⌋" || tree.mark === "⌈⌉") {
    return tree.mark[0] + formulaText(tree.parts[0]) + tree.mark[1];
  }
  const inner = (part, index) => {
    const own = SIGN_BINDS[part.mark] ?? 3;
    const whole = SIGN_BINDS[tree.mark];
    return own < whole || (own === whole && index) ? `(${formulaText(part)})` : formulaText(part);
  };
  return tree.parts.map(inner).join(` ${tree.mark} `);
}

// Count the black-and-white 5x5 pictures that give 4 3 5 in every row with the kernel of lecture C
// and contain its two printed patches: the first three rows are 0 1 1 0 and one free pixel.
export function countPictures() {
  const kernel = [1, 0, 1, 1, 1, 1, 0, 0, 1];
  const wanted = [4, 3, 5];
  const bit = (row, column) => (row >> (4 - column)) & 1;
  const fits = (...rows) =>
    wanted.every((sum, left) => {
      const product = (weight, cell) => weight * bit(rows[Math.floor(cell / 3)], left + (cell % 3));
      return kernel.map(product).reduce((a, b) => a + b) === sum;
    });
  const starts = [0b01100, 0b01101];
  const any = Array.from({ length: 32 }, (_, row) => row);
  let count = 0;
  for (const a of starts) for (const b of starts) for (const c of starts) {
    if (!fits(a, b, c)) continue;
    for (const d of any) {
      if (fits(b, c, d)) count += any.filter((e) => fits(c, d, e)).length;
    }
  }
  return count;
}
