// Resize a picture to the input shape of the model like jcnn.data.read_image: the same steps with
// the rounding of Pillow, so that the bytes are equal.

// {data: RGBA bytes, width, height} -> Uint8Array of H x W x C. `resize` is "stretch", "crop" or "pad".
export function prepared({ data, width, height }, [rows, columns, channels], resize) {
  const picture = { pixels: coloursOf(data, channels), width, height, channels };
  if (width === columns && height === rows) return picture.pixels;
  return RESIZE[resize](picture, rows, columns);
}

// Over white, then grey (ITU-R 601) or RGB.
function coloursOf(rgba, channels) {
  const pixels = new Uint8Array((rgba.length / 4) * channels);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += channels) {
    const alpha = rgba[from + 3];
    const red = overWhite(rgba[from], alpha);
    const green = overWhite(rgba[from + 1], alpha);
    const blue = overWhite(rgba[from + 2], alpha);
    pixels[to] = channels === 3 ? red : (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16;
    if (channels === 3) [pixels[to + 1], pixels[to + 2]] = [green, blue];
  }
  return pixels;
}

function overWhite(value, alpha) {
  const sum = value * alpha + 255 * (255 - alpha) + 128;
  return (sum + (sum >> 8)) >> 8; // divided by 255 and rounded
}

const RESIZE = {
  stretch: (picture, rows, columns) =>
    resampled(picture, rows, columns, [0, picture.height], [0, picture.width]),
  // The largest centred part with the aspect ratio of the result.
  crop: (picture, rows, columns) => {
    const { width, height } = picture;
    const [left, top] = width * rows > height * columns
      ? [(width - (height * columns) / rows) / 2, 0]
      : [0, (height - (width * rows) / columns) / 2];
    return resampled(picture, rows, columns, [top, height - top], [left, width - left]);
  },
  // The whole picture, centred on black.
  pad: (picture, rows, columns) => {
    const { width, height, channels } = picture;
    let [high, wide] = [rows, columns];
    if (width * rows > height * columns) high = Math.max(1, halfToEven((height * columns) / width));
    else wide = Math.max(1, halfToEven((width * rows) / height));
    const inner = high === height && wide === width ? picture.pixels : RESIZE.stretch(picture, high, wide);
    const result = new Uint8Array(rows * columns * channels);
    const [top, left] = [Math.floor((rows - high) / 2), Math.floor((columns - wide) / 2)];
    for (let r = 0; r < high; r++) {
      const line = inner.subarray(r * wide * channels, (r + 1) * wide * channels);
      result.set(line, ((top + r) * columns + left) * channels);
    }
    return result;
  },
};

// Resample one axis, round to bytes, then the other axis, with a triangle filter scaled to the
// reduction. Pillow starts with the height (since 13) if that drops more than twice as many lines.
function resampled({ pixels, width, height, channels }, rows, columns, fromRows, fromColumns) {
  const across = (numbers, lines) =>
    filtered(numbers, lines, width, channels, triangles(width, columns, fromColumns));
  const down = (numbers, wide) =>
    filtered(numbers, 1, height, wide * channels, triangles(height, rows, fromRows));
  if (height > rows && height - rows > 2 * (width - columns)) return across(down(pixels, width), rows);
  return down(across(pixels, height), columns);
}

const ONE = 2 ** 22; // Pillow's weights are integers with about this sum

// For each of `count` results, the index of its first source and the weights from there on.
function triangles(size, count, part) {
  const [start, end] = part.map(Math.fround); // Pillow converts the edges to float32
  const scale = Math.fround(end - start) / count;
  const support = Math.max(scale, 1);
  return Array.from({ length: count }, (_, i) => {
    const centre = start + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(size, Math.trunc(centre + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, j) =>
      Math.max(0, 1 - Math.abs((j + first - centre + 0.5) * (1 / support))));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => Math.trunc(0.5 + (weight / sum) * ONE)) };
  });
}

// Filter an array (before, size, after) along the middle axis.
function filtered(numbers, before, size, after, windows) {
  const result = new Uint8ClampedArray(before * windows.length * after);
  for (let b = 0; b < before; b++) {
    windows.forEach(({ first, weights }, w) => {
      const from = (b * size + first) * after;
      const to = (b * windows.length + w) * after;
      for (let a = 0; a < after; a++) {
        let sum = ONE / 2;
        for (let j = 0; j < weights.length; j++) sum += weights[j] * numbers[from + j * after + a];
        result[to + a] = sum >> 22;
      }
    });
  }
  return new Uint8Array(result.buffer);
}

// Like Python's round().
export function halfToEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
