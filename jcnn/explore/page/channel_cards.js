// Channels as a grid of cards: the map, the number of the channel, a bar and a number.

import { drawMap, rangeOf } from "./colour.js";
import { make } from "./dom.js";
import { volumeOf } from "./shapes.js";
import { change } from "./state.js";
import { viewBar } from "./view_panel.js";
import { whyWords } from "./why_words.js";

// `data` is the output of layer `index` (-1: the picture), `entries` are [{channel, value, text}], where
// `text` is an element; bars have the length |value| / `largest`. A map opens its largest unit.
export function channelCards(state, index, data, shape, entries, largest) {
  const [height, width, channels] = volumeOf(shape);
  const range = rangeOf(data);
  const why = whyWords[state.language];
  return make("ol", { class: "why-cards" }, entries.map(({ channel, value, text }) => {
    const canvas = make("canvas", { style: { aspectRatio: `${width} / ${height}` } });
    drawMap(canvas, data, channel, channels, height, width, range);
    const name = `${shape.length === 3 ? why.whyChannel : why.whyUnit} ${channel}`;
    const open = () => change({ view: "network", selected: { layer: index, unit: largestUnit(data, channel, channels) } });
    return make("li", { "data-channel": channel },
      make("button", { type: "button", class: "why-thumb", disabled: index < 0, onclick: open,
        "aria-label": `${name}: ${why.whyOpen}`, title: why.whyOpen }, canvas),
      make("div", {}, make("span", { class: "soft" }, name), text, viewBar(value, largest)));
  }));
}

function largestUnit(data, channel, channels) {
  let best = channel;
  for (let unit = channel; unit < data.length; unit += channels) if (data[unit] > data[best]) best = unit;
  return best;
}

// The indices of the numbers, largest in size first.
export function bySize(values) {
  return Array.from(values, (_, i) => i).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]) || a - b);
}
