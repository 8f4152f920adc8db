// The worked examples of the lectures, as presets of the playground. Outputs are computed; `printed`
// is set only where the slide shows different numbers.

const DIAMOND = [
  [0, 0, 1, 0, 0],
  [0, 1, 0, 1, 0],
  [1, 0, 0, 0, 1],
  [0, 1, 0, 1, 0],
  [0, 0, 1, 0, 0],
];
const RISING_LINE = [
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
];
const FALLING_LINE = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];
const SIX_BY_SIX = [
  [0, 2, 3, 1, 2, 3],
  [4, 2, 1, 2, 3, 0],
  [2, 2, 1, 3, 2, 1],
  [1, 1, 2, 3, 1, 2],
  [1, 4, 2, 2, 3, 1],
  [2, 0, 2, 1, 4, 0],
];
const FIVE_BY_FIVE = [
  [0, 2, 3, 1, 2],
  [4, 2, 1, 2, 3],
  [2, 2, 1, 3, 2],
  [1, 1, 2, 3, 1],
  [1, 4, 2, 2, 3],
];
const ODD_KERNEL = [
  [1, 2, 2],
  [0, 0, 1],
  [2, 1, 1],
];
const STRIPES_KERNEL = [
  [1, 0, 1],
  [1, 1, 1],
  [0, 0, 1],
];

const convExample = (id, lecture, input, kernel, more = {}) => ({
  id,
  lecture,
  operation: "conv",
  input,
  kernel,
  stride: 1,
  padding: "valid",
  ...more,
});
const poolExample = (id, lecture, input, more = {}) => ({
  id,
  lecture,
  operation: "max_pool",
  input,
  kernel: [[0, 0], [0, 0]], // pooling uses only the size
  stride: 2,
  padding: "valid",
  ...more,
});

// Presets with `exercise` start with an empty output.
export const EXAMPLES = [
  convExample("000_exercise_same", "A", DIAMOND, FALLING_LINE, { padding: "same", exercise: true }),
  convExample("000_exercise_valid", "A", DIAMOND, FALLING_LINE, { exercise: true }),
  convExample("000_valid", "A", DIAMOND, RISING_LINE),
  convExample("000_same", "A", DIAMOND, RISING_LINE, { padding: "same" }),
  poolExample("000_pool", "A", [
    [3, 1, 0, 5],
    [0, 2, 4, 2],
    [2, 0, 3, 1],
    [4, 5, 4, 2],
  ]),
  {
    id: "000_flatten",
    lecture: "A",
    operation: "flatten",
    input: [
      [2, 1, 4],
      [5, 3, 2],
      [0, 2, 3],
    ],
    kernel: [[1]],
    stride: 1,
    padding: "valid",
  },
  convExample("001_quiz_numeric", "B", [[1, 2, 3, 4, 5]], [[1, 2, 3]]),
  convExample("002_patch1", "C", [[0, 1, 1], [0, 1, 1], [0, 1, 1]], STRIPES_KERNEL),
  convExample("002_patch2", "C", [[1, 1, 0], [1, 1, 0], [1, 1, 0]], STRIPES_KERNEL),
  convExample("002_full_striped", "C", Array.from({ length: 5 }, () => [0, 1, 1, 0, 1]), STRIPES_KERNEL, {
    note: true,
  }),
  convExample("002_count", "C", [
    [0, 1, 1, 0, 1],
    [0, 1, 1, 0, 1],
    [0, 1, 1, 0, 1],
    [0, 1, 1, 0, 1],
    [0, 0, 1, 0, 1],
  ], STRIPES_KERNEL, { note: true }),
  poolExample("002_pool_cell", "C", [[4, 8], [7, 1]], { printed: [[4]], note: true }),
  convExample("003_valid", "D", SIX_BY_SIX, ODD_KERNEL, {
    printed: [
      [18, 22, 19, 20],
      [16, 18, 21, 18],
      [18, 25, 21, 19],
      [15, 17, 22, 16],
    ],
  }),
  convExample("003_same", "D", SIX_BY_SIX, ODD_KERNEL, {
    padding: "same",
    printed: [
      [8, 14, 8, 9, 10, 6],
      [10, 18, 22, 19, 20, 13],
      [16, 16, 18, 21, 18, 7],
      [14, 18, 25, 21, 19, 11],
      [10, 15, 17, 22, 16, 13],
      [10, 15, 13, 16, 10, 5],
    ],
  }),
  convExample("003_stride1_row1", "D", FIVE_BY_FIVE, ODD_KERNEL, { note: true }),
  convExample("003_stride2_row1", "D", FIVE_BY_FIVE, ODD_KERNEL, { stride: 2 }),
  convExample("003_first_patch", "D", [[0, 2, 3], [4, 2, 1], [2, 2, 1]], ODD_KERNEL),
  convExample("003_second_patch", "D", [[2, 3, 1], [2, 1, 2], [2, 1, 3]], ODD_KERNEL, {
    printed: [[22]],
    note: true,
  }),
  poolExample("003_pool", "D", [
    [3, 4, 5, 6],
    [1, 2, 3, 4],
    [-1, 3, 0, 3],
    [2, 2, 5, 2],
  ]),
];
