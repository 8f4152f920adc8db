// A whole matrix as a picture, with one row, one column or one cell marked.

import { drawMap, rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { shapeText } from "./view_panel.js";

// `data` is null where the matrix is too large to be drawn: then a box with the marks.
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

// Columns first, first + 1, ... of a matrix of this height: an array of the same form.
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
