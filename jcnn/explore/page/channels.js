// Which channels of a layer have a map in the overview: the most active ones.

import { rangeOf } from "./colour.js";
import { upTo } from "./shapes.js";

// At most `most` channels of some outputs (height, width, channels), in their order: those with the
// largest numbers in any of them, and `always` if it is one of them.
export function activeChannels(outputs, channels, most, always = null) {
  if (channels <= most) return upTo(channels);
  const size = upTo(channels).map((k) =>
    (k === always ? Infinity : Math.max(...outputs.map((data) => rangeOf(data, k, channels)))));
  return upTo(channels).sort((a, b) => size[b] - size[a] || a - b).slice(0, most).sort((a, b) => a - b);
}

// Those of a column of maps. Over the epochs of a training they stay the same while the picture does, so
// that each can be seen to change.
export function channelsShown(column, { network, outputs }, most, always) {
  const [input, count] = [outputs[0], column.shape[2]];
  const { steady } = column;
  const same = network.epochs && steady?.input === input && steady.most === most;
  if (same && (always === null || steady.channels.includes(always))) return steady.channels;
  const channels = activeChannels([outputs[column.index]], count, most, always);
  column.steady = { input, most, channels };
  return channels;
}
