// The sums of a convolution without the bias, written to `y`. Both functions add the products of a unit
// in the order of the kernel, so they give the same bits. Zeros are left out where the kernel is
// finite: half of the numbers after a relu are zero, and a sum that starts from +0 does not change.

export const TILE = 8; // filters whose sums are computed together
const GATHERED = 1 << 18; // terms gathered at once
const BLOCK = 64; // terms packed at once, whose weights stay in the cache

// For few filters a group, as in a depthwise convolution.
export function convolveFew(layer, x, kernel, y) {
  const [height, width, channels] = layer.in;
  const [outHeight, outWidth, filters] = layer.out;
  const [rows, columns, perGroup] = layer.arrays.kernel.shape;
  const [[top], [left]] = layer.padding;
  const filtersPerGroup = filters / layer.groups;
  kernel = new Float64Array(kernel); // otherwise each weight would be converted at every position
  const skipsZeros = areFinite(kernel);
  for (let r = 0; r < outHeight; r++) {
    for (let c = 0; c < outWidth; c++) {
      const to = (r * outWidth + c) * filters;
      for (let i = 0; i < rows; i++) {
        const row = r * layer.stride[0] - top + i * layer.dilation[0];
        if (row < 0 || row >= height) continue;
        for (let j = 0; j < columns; j++) {
          const column = c * layer.stride[1] - left + j * layer.dilation[1];
          if (column < 0 || column >= width) continue;
          const from = (row * width + column) * channels;
          let k = 0;
          for (let group = 0; group < layer.groups; group++) {
            const first = to + group * filtersPerGroup;
            let weights = (i * columns + j) * perGroup * filters + group * filtersPerGroup;
            for (let n = 0; n < perGroup; n++, k++, weights += filters) {
              const value = x[from + k];
              if (value === 0 && skipsZeros) continue;
              for (let o = 0; o < filtersPerGroup; o++) y[first + o] += value * kernel[weights + o];
            }
          }
        }
      }
    }
  }
}

// The inputs of several positions are gathered once, and then met by eight filters at a time: their
// sums stay in registers, and their weights in the cache for all these positions.
export function convolveTiles(layer, x, kernel, y) {
  const [outHeight, outWidth, filters] = layer.out;
  const [rows, columns, perGroup] = layer.arrays.kernel.shape;
  const filtersPerGroup = filters / layer.groups;
  const terms = rows * columns * perGroup;
  const skipsZeros = areFinite(kernel);
  const positions = outHeight * outWidth;
  const atOnce = Math.max(1, Math.min(positions, Math.floor(GATHERED / terms)));
  const values = new Float64Array(atOnce * terms);
  const places = new Int32Array(atOnce * terms); // of the weights, in a tile
  const ends = new Int32Array(atOnce + 1);
  const tiles = Math.ceil(filtersPerGroup / TILE);
  for (let group = 0; group < layer.groups; group++) {
    const packed = packTiles(kernel, filters, group * filtersPerGroup, filtersPerGroup, terms);
    for (let first = 0; first < positions; first += atOnce) {
      const count = Math.min(atOnce, positions - first);
      gather(layer, x, group * perGroup, first, count, skipsZeros, values, places, ends);
      for (let tile = 0; tile < tiles; tile++) {
        const wide = Math.min(TILE, filtersPerGroup - tile * TILE);
        const to = first * filters + group * filtersPerGroup + tile * TILE;
        addTile(packed.subarray(tile * terms * TILE, (tile + 1) * terms * TILE), values, places, ends, count, y, to, filters, wide);
      }
    }
  }
}

// Several times faster than `kernel.every(Number.isFinite)`.
function areFinite(kernel) {
  for (let i = 0; i < kernel.length; i++) if (!Number.isFinite(kernel[i])) return false;
  return true;
}

// The weights of a group as [tile][term][filter of the tile]; missing filters are zero.
function packTiles(kernel, filters, first, count, terms) {
  const tiles = Math.ceil(count / TILE);
  const packed = new Float64Array(tiles * terms * TILE);
  for (let start = 0; start < terms; start += BLOCK) {
    const end = Math.min(terms, start + BLOCK);
    for (let o = 0; o < count; o += TILE) {
      const wide = Math.min(TILE, count - o);
      let to = o * terms + start * TILE;
      for (let term = start; term < end; term++, to += TILE) {
        const from = term * filters + first + o;
        for (let k = 0; k < wide; k++) packed[to + k] = kernel[from + k];
      }
    }
  }
  return packed;
}

// The inputs of `count` positions from `first` on, one position after the other.
function gather(layer, x, channel, first, count, skipsZeros, values, places, ends) {
  const [height, width, channels] = layer.in;
  const [rows, columns, perGroup] = layer.arrays.kernel.shape;
  let end = 0;
  for (let position = 0; position < count; position++) {
    const r = Math.floor((first + position) / layer.out[1]);
    const c = (first + position) % layer.out[1];
    for (let i = 0; i < rows; i++) {
      const row = r * layer.stride[0] - layer.padding[0][0] + i * layer.dilation[0];
      if (row < 0 || row >= height) continue;
      for (let j = 0; j < columns; j++) {
        const column = c * layer.stride[1] - layer.padding[1][0] + j * layer.dilation[1];
        if (column < 0 || column >= width) continue;
        const from = (row * width + column) * channels + channel;
        const term = (i * columns + j) * perGroup;
        for (let k = 0; k < perGroup; k++) {
          const value = x[from + k];
          if (value === 0 && skipsZeros) continue;
          values[end] = value;
          places[end] = (term + k) * TILE;
          end++;
        }
      }
    }
    ends[position + 1] = end;
  }
}

function addTile(weights, values, places, ends, count, y, to, filters, wide) {
  const sums = new Float64Array(TILE);
  for (let position = 0; position < count; position++) {
    let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
    const last = ends[position + 1];
    for (let n = ends[position]; n < last; n++) {
      const value = values[n];
      const at = places[n];
      a += value * weights[at];
      b += value * weights[at + 1];
      c += value * weights[at + 2];
      d += value * weights[at + 3];
      e += value * weights[at + 4];
      f += value * weights[at + 5];
      g += value * weights[at + 6];
      h += value * weights[at + 7];
    }
    sums[0] = a; sums[1] = b; sums[2] = c; sums[3] = d; sums[4] = e; sums[5] = f; sums[6] = g; sums[7] = h;
    const start = to + position * filters;
    for (let o = 0; o < wide; o++) y[start + o] = sums[o];
  }
}
