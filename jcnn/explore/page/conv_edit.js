// Edit the kernel and bias of a convolution in its view.

import { makeEditable } from "./edit_cell.js";
import { words } from "./words.js";

// Make the kernel cells of a card editable: input channel `channel` of the group of the filter. The
// grid is one Tab stop, with arrow keys between cells. Returns a function that marks edited cells.
export function editKernel(grid, layer, index, channel, filter, language) {
  const w = words(language);
  const { kernel } = layer.arrays;
  const [rows, columns, perGroup, filters] = kernel.shape;
  grid.element.dataset.edits = "";
  const marks = grid.cells.map((cell, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    cell.dataset.part = `kernel-${channel}-${i}`;
    cell.tabIndex = i === 0 ? 0 : -1;
    cell.addEventListener("focus", () => grid.cells.forEach((one) => { one.tabIndex = one === cell ? 0 : -1; }));
    cell.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step || event.target !== cell || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const [r, c] = [row + step[0], column + step[1]];
      if (r >= 0 && c >= 0 && r < rows && c < columns) grid.cells[r * columns + c].focus();
    });
    return makeEditable(cell, index, kernel, (i * perGroup + channel) * filters + filter,
      `${w.kernel}, ${w.row} ${row}, ${w.column} ${column}`);
  });
  return () => marks.forEach((show) => show());
}

// The same for the bias of the filter, shown in `part`.
export function editBias(part, layer, index, filter, language) {
  part.dataset.part = "bias";
  makeEditable(part, index, layer.arrays.bias, filter, words(language).bias);
}
