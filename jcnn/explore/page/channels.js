// Which channels of a layer have a map in the overview: the most active ones.

import { rangeOf } from "./colour.js";
import { upTo } from "./shapes.js";

// At most `most` channels of an output (height, width, channels), in their order: those with the
// largest numbers, and `always` if it is one of them.
export function activeChannels(data, channels, most, always = null) {
  if (channels <= most) return upTo(channels);
  const size = upTo(channels).map((k) => (k === always ? Infinity : rangeOf(data, k, channels)));
  return upTo(channels).sort((a, b) => size[b] - size[a] || a - b).slice(0, most).sort((a, b) => a - b);
}
