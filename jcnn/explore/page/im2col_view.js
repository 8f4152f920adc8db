// One unit of a convolution as an inner product: a row of the patch matrix, a column of the
// kernel matrix (im2col).

import { make } from "./dom.js";
import { EQUALS, equation } from "./equation.js";
import { eachCell } from "./forward.js";
import { columnsOf, matrixPicture } from "./matrix_picture.js";
import { termsOf } from "./terms.js";
import { termsTable } from "./terms_table.js";
import { cellText, fillPanel, viewed, viewHead } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

// A larger patch matrix is drawn as an empty box.
const DRAWN_CELLS = 500000;

export function showIm2col(panel, state) {
  const { layer, unit, x, y, place } = viewed(state);
  const text = viewWords[state.language];
  const { kernel, bias } = layer.arrays;
  const [, , perGroup, filters] = kernel.shape;
  const sum = { ...termsOf(layer, x, unit), ...(bias ? {} : { bias: null }) };
  const positions = layer.out[0] * layer.out[1];
  const taps = sum.terms.length;
  const row = place.row * layer.out[1] + place.column;
  const groupFilters = filters / layer.groups;
  const group = Math.floor(place.channel / groupFilters);
  const column = place.channel - group * groupFilters;
  const ofGroup = (data, height) => columnsOf(data, height, group * groupFilters, groupFilters);
  const patches = positions * taps > DRAWN_CELLS ? null : patchMatrix(layer, x, group * perGroup);
  const describe = (index) => {
    const term = sum.terms[index];
    const tap = `(${term.row}, ${term.column}, ${term.channel - group * perGroup})`;
    if (term.source >= 0) return [String(index), tap, cellText(layer.in, term.source)];
    return [String(index), tap, make("span", { class: "outside-cell" }, text.viewPadding)];
  };
  fillPanel(
    panel,
    viewHead(state, text.im2colTitle),
    make("p", {}, bias ? text.im2colIntro : text.im2colIntroPlain),
    layer.groups > 1 &&
      make("p", {}, fillIn(text.im2colGroup, { group, groups: layer.groups })),
    equation(state, [
      `${text.im2colRow} = r × W + c = `,
      place.row, " × ", layer.out[1], " + ", place.column, EQUALS, row,
    ]),
    make(
      "div",
      { class: "matrices" },
      matrixPicture(text.im2colPatches, patches, [positions, taps], row, null),
      make("span", { class: "matrix-sign" }, "×"),
      matrixPicture(
        text.im2colKernels, ofGroup(kernel.data, taps), [taps, groupFilters], null, column,
      ),
      make("span", { class: "matrix-sign" }, bias ? text.im2colPlusBias : "="),
      matrixPicture(
        text.im2colOutputs, ofGroup(y, positions), [positions, groupFilters], row, column,
      ),
    ),
    make("p", {}, fillIn(text.im2colTerms, { row, column, taps })),
    termsTable(state, sum, [text.im2colIndex, text.im2colTap, text.im2colFrom], describe),
  );
}

// The patch matrix with taps in the memory order of the kernel; it covers the channels of one group,
// which start at `first`.
export function patchMatrix(layer, x, first) {
  const [rows, columns, perGroup] = layer.arrays.kernel.shape;
  const [height, width] = layer.out;
  const matrix = new Float64Array(height * width * rows * columns * perGroup);
  let at = 0;
  for (let r = 0; r < height; r++) {
    for (let c = 0; c < width; c++) {
      eachCell(layer, r, c, (i, j, cell) => {
        for (let k = 0; k < perGroup; k++) {
          matrix[at++] = cell < 0 ? 0 : x[cell * layer.in[2] + first + k];
        }
      });
    }
  }
  return matrix;
}
