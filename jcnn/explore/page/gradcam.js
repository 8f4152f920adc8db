// Grad-CAM: where the maps of a layer speak for a class (Selvaraju et al., "Grad-CAM: Visual
// Explanations from Deep Networks via Gradient-based Localization", 2017, equations 1 and 2).

// Layers that follow a convolution and belong to its maps.
const OF_MAPS = ["activation", "batch_norm", "layer_norm", "group_norm", "dropout", "spatial_dropout",
  "stochastic_depth", "add", "multiply"];

// The output that holds the logits: the class scores before softmax.
export function logitsOf(layers) {
  const last = layers.at(-1);
  return last.kind === "softmax" ? last.inputs[0] : layers.length;
}

// The outputs before the logits that are maps of more than one cell.
export function mapChoices(layers) {
  const before = layers.slice(0, logitsOf(layers) - 1);
  return before.flatMap(({ out }, i) => (isMap(out) ? [i + 1] : []));
}

export function isMap(shape) {
  return shape.length === 3 && shape[0] * shape[1] > 1;
}

// The maps of the last convolution, after its activation and what else follows it alone; null for none.
export function firstMaps(layers) {
  const convs = mapChoices(layers).filter((i) => layers[i - 1].kind.startsWith("conv"));
  if (convs.length === 0) return null;
  let maps = convs.at(-1);
  for (;;) {
    const readers = layers.flatMap(({ inputs }, i) => (inputs.includes(maps) ? [i] : []));
    if (readers.length !== 1 || !OF_MAPS.includes(layers[readers[0]].kind)) return maps;
    if (!isMap(layers[readers[0]].out) || readers[0] + 1 >= logitsOf(layers)) return maps;
    maps = readers[0] + 1;
  }
}

// The weight of each map, the mean of the logit's derivatives by its cells.
export function camWeights(gradient, [height, width, channels]) {
  const weights = new Float64Array(channels);
  gradient.forEach((value, i) => { weights[i % channels] += value / (height * width); });
  return weights;
}

// relu of the weighted sum of the maps, (H, W).
export function camOf(maps, weights, [height, width, channels]) {
  return Float64Array.from({ length: height * width }, (_, cell) =>
    Math.max(0, weights.reduce((sum, weight, k) => sum + weight * maps[cell * channels + k], 0)));
}

// A map (H, W) in another size, bilinear between the centres of its cells; beyond the outermost
// centres the edge is repeated.
export function resizedMap(map, [height, width], [toHeight, toWidth]) {
  const taps = (from, to) => Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, Math.min(from - 1, ((i + 0.5) * from) / to - 0.5));
    const first = Math.floor(at);
    return [first, Math.min(first + 1, from - 1), at - first];
  });
  const [rows, columns] = [taps(height, toHeight), taps(width, toWidth)];
  return Float64Array.from({ length: toHeight * toWidth }, (_, i) => {
    const [top, bottom, down] = rows[Math.floor(i / toWidth)];
    const [left, right, across] = columns[i % toWidth];
    const along = (row) => map[row * width + left] * (1 - across) + map[row * width + right] * across;
    return along(top) * (1 - down) + along(bottom) * down;
  });
}

// For each pixel of a gradient by the picture, that of the channel in which it is largest in size.
// Its size is the saliency of Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks",
// 2013.
export function steepest(gradient, [height, width, channels]) {
  return Float64Array.from({ length: height * width }, (_, i) =>
    gradient.subarray(i * channels, (i + 1) * channels)
      .reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best)));
}
