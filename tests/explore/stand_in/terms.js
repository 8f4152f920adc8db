// STAND-IN, to be deleted when the page has its own terms.js: convolution of one group, pooling, flatten.

export function termsOf(layer, x, unit) {
  if (layer.kind === "flatten") return { terms: [{ source: unit }], result: x[unit] };
  const [, width, channels] = layer.out;
  const filter = unit % channels;
  const [r, c] = [Math.floor(unit / channels / width), Math.floor(unit / channels) % width];
  const conv = layer.kind === "conv";
  const { data, shape } = conv ? layer.arrays.kernel : { shape: [...layer.window, 1, 1] };
  const [down, right] = layer.dilation ?? [1, 1];
  const terms = [];
  for (let row = 0; row < shape[0]; row++) {
    for (let column = 0; column < shape[1]; column++) {
      for (let k = 0; k < shape[2]; k++) {
        const y = r * layer.stride[0] - layer.padding[0][0] + row * down;
        const z = c * layer.stride[1] - layer.padding[1][0] + column * right;
        const inside = y >= 0 && y < layer.in[0] && z >= 0 && z < layer.in[1];
        const channel = conv ? k : filter;
        const source = inside ? (y * layer.in[1] + z) * layer.in[2] + channel : -1;
        const value = inside ? x[source] : 0;
        const weight = conv ? data[((row * shape[1] + column) * shape[2] + k) * shape[3] + filter] : 0;
        terms.push({ source, row, column, channel, weight, value, product: weight * value });
      }
    }
  }
  const values = terms.filter((term) => term.source >= 0).map((term) => term.value);
  const result = conv
    ? terms.reduce((sum, term) => sum + term.product, 0)
    : layer.kind === "max_pool"
      ? Math.max(...values)
      : values.reduce((sum, value) => sum + value, 0) / values.length;
  return { terms, result };
}
