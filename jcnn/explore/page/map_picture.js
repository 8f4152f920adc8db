// One channel as an image, with a frame around some cells.

import { drawMap } from "./colour.js";
import { make } from "./dom.js";

// `data` is (H, W, C), flat; `box` is [row, column, height, width].
export function mapPicture(data, shape, channel, box, range, caption) {
  const [height, width, channels] = shape;
  const canvas = make("canvas", { role: "img", "aria-label": caption });
  drawMap(canvas, data, channel, channels, height, width, range);
  const style = {
    aspectRatio: `${width} / ${height}`,
    width: `${Math.min(11, Math.max(0.5, (11 * width) / height))}rem`,
  };
  const frame = make("span", { class: "map-frame", style }, canvas, mapBox(box, height, width));
  return make("figure", { class: "map-picture" }, frame, make("figcaption", {}, caption));
}

// Wrap a vector into a near square, padded with zeros.
export function wrappedRow(data) {
  const width = Math.ceil(Math.sqrt(data.length));
  const height = Math.ceil(data.length / width);
  const square = new Float64Array(height * width);
  square.set(data);
  return { data: square, shape: [height, width, 1] };
}

function mapBox([row, column, boxHeight, boxWidth], height, width) {
  const top = Math.max(row, 0);
  const left = Math.max(column, 0);
  const style = {
    top: `${(100 * top) / height}%`,
    left: `${(100 * left) / width}%`,
    height: `${(100 * (Math.min(row + boxHeight, height) - top)) / height}%`,
    width: `${(100 * (Math.min(column + boxWidth, width) - left)) / width}%`,
  };
  return make("span", { class: "map-box", style });
}
