// Examples of the lectures' layers whose numbers are not on the slides, the slide's subject of every
// example, and the examples of a page's own file.

import { EXAMPLES } from "./examples.js";

const binary = (text) => text.split(" ").map((row) => [...row].map(Number));

export const MORE_EXAMPLES = [
  {
    id: "rgb", lecture: "A", slide: "slide_rgb", operation: "conv", stride: 1, padding: "valid",
    inputs: [binary("1010 0110 1100 0011"), binary("0111 1000 0101 1010"), binary("1100 0011 1110 0101")],
    kernels: [[binary("10 01"), binary("01 10"), binary("11 00")]],
  },
  {
    id: "four_filters", lecture: "A", slide: "slide_filters", operation: "conv", stride: 1, padding: "valid",
    inputs: [binary("00100 01010 10001 01010 00100")],
    kernels: [[binary("001 010 100")], [binary("100 010 001")], [binary("010 010 010")], [binary("000 111 000")]],
  },
  {
    id: "four_to_two", lecture: "A", slide: "slide_channels", operation: "conv", stride: 1, padding: "valid",
    inputs: [binary("1010 0110 1100 0011"), binary("0111 1000 0101 1010"), binary("1100 0011 1110 0101"), binary("0001 1110 0110 1001")],
    kernels: [
      [binary("10 01"), binary("01 10"), binary("11 00"), binary("01 01")],
      [[[1, -1], [0, 1]], [[-1, 0], [1, 0]], [[0, 1], [1, -1]], [[1, 0], [-1, 0]]],
    ],
    bias: [-2, 1], more: { bias: true, relu: true },
  },
  {
    id: "dense_nine", lecture: "A", slide: "slide_dense", operation: "dense", stride: 1, padding: "valid",
    inputs: [[[2, 1, 4], [5, 3, 2], [0, 2, 3]]],
    weights: [[1, 0, -1], [0, 2, 1], [-1, 1, 0], [1, -1, 2], [0, 1, 0], [2, 0, -1], [1, 1, 1], [0, -2, 1], [-1, 0, 1]],
    bias: [1, -3, 0], more: { bias: true },
  },
  {
    id: "dropout_half", lecture: "A", slide: "slide_dropout", operation: "dropout", stride: 1, padding: "valid",
    inputs: [[[2, 1, 4, 3], [5, 3, 2, 1], [1, 2, 3, 6]]], more: { rate: 0.5, seed: 0 },
  },
  {
    id: "relu_edges", lecture: "C", slide: "slide_relu", operation: "conv", stride: 1, padding: "valid",
    inputs: [binary("00111 00111 01111 11100 11100")], kernels: [[[[-1, 1], [-1, 1]]]],
    bias: [0], more: { bias: true, relu: true },
  },
  {
    id: "similar", lecture: "E", slide: "slide_similarity", operation: "similarity", stride: 2, padding: "valid",
    inputs: [binary("1011 0101")], kernels: [[binary("10 01")]], exercise: true,
  },
  {
    id: "features", lecture: "E", slide: "slide_features", operation: "similarity", stride: 1, padding: "valid",
    inputs: [binary("100001 010010 001100 001100 010010 100001")],
    kernels: [[binary("10 01")], [binary("01 10")], [binary("11 00")]],
  },
];

// The subject of the slide, for the examples of the slides' own numbers.
const SLIDES = {
  "000_exercise_same": "slide_exercise", "000_exercise_valid": "slide_exercise", "000_valid": "slide_valid",
  "000_same": "slide_same", "000_pool": "slide_pool", "000_flatten": "slide_flatten", "001_quiz_numeric": "slide_quiz",
  "002_patch1": "slide_patches", "002_patch2": "slide_patches", "002_full_striped": "slide_striped", "002_count": "slide_striped",
  "002_pool_cell": "slide_pool", "003_valid": "slide_valid", "003_same": "slide_same", "003_stride1_row1": "slide_stride",
  "003_stride2_row1": "slide_stride", "003_first_patch": "slide_patches", "003_second_patch": "slide_patches", "003_pool": "slide_pool",
};

const OWN_EXAMPLES = [];

// Add the examples of a lecturer's file: as those above, with texts instead of keys of the words.
export function addExamples(examples) {
  OWN_EXAMPLES.push(...examples);
}

export const ownExamples = () => OWN_EXAMPLES;

export const lectureExamples = () => [...EXAMPLES, ...MORE_EXAMPLES];

export function exampleOf(id) {
  return [...OWN_EXAMPLES, ...EXAMPLES, ...MORE_EXAMPLES].find((one) => one.id === id);
}

export const titleOf = (text, example) => example.title ?? text[example.id] ?? example.id;

// "Lecture A, slide: padding 'same'", or "" without lecture and slide.
export function tagOf(text, { id, lecture, slide }) {
  const subject = slide ?? SLIDES[id];
  const parts = [
    lecture && (text[`lecture_${lecture}`] ?? `${text.lecture} ${lecture}`),
    subject && `${text.slide}: ${text[subject] ?? subject}`,
  ];
  return parts.filter(Boolean).join(" · ");
}
