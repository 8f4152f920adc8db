// A matrix as an image, with one row, column or cell marked.

import { drawMap, rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { shapeText } from "./view_panel.js";

// If the matrix is too large to draw, `data` is null and only the marks are drawn.
export function matrixPicture(name, data, shape, row, column) {
  const [height, width] = shape;
  const caption = `${name} ${shapeText(shape)}`;
  const canvas = data && make("canvas", { role: "img", "aria-label": caption });
  if (data) drawMap(canvas, data, 0, 1, height, width, rangeOf(data));
  return make(
    "figure",
    { class: "matrix" },
    make(
      "span",
      { class: "matrix-frame" },
      canvas,
      row !== null && stripe("matrix-row", "top", "height", row, height),
      column !== null && stripe("matrix-column", "left", "width", column, width),
    ),
    make("figcaption", {}, caption),
  );
}

// Columns first, first + 1, ... of a matrix, in the same layout.
export function columnsOf(data, height, first, count) {
  const width = data.length / height;
  return Float64Array.from({ length: height * count }, (_, index) =>
    data[Math.floor(index / count) * width + first + (index % count)],
  );
}

function stripe(name, edge, extent, at, count) {
  return make("span", {
    class: name,
    style: { [edge]: `${(100 * at) / count}%`, [extent]: `${100 / count}%` },
  });
}
