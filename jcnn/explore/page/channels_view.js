// What each channel before the head adds to a class's logit.

import { bySize, channelCards } from "./channel_cards.js";
import { addingUp, headOf, sharesOf } from "./contributions.js";
import { equalsSign, numeral } from "./digits.js";
import { make } from "./dom.js";
import { shapeText, fillPanel, stepButton } from "./view_panel.js";
import { classField, className, classOf } from "./why_class.js";
import { whyWords } from "./why_words.js";
import { fillIn } from "./words.js";

const FIRST_SHOWN = 12; // channels

export function showChannels(panel, state) {
  const why = whyWords[state.language];
  const head = headOf(state.network);
  const again = () => showChannels(panel, state);
  fillPanel(panel,
    make("h2", {}, why.channelsTitle),
    make("p", { class: "occ-intro" }, head ? why.channelsIntro : why.channelsNone),
    ...(head ? shareParts(state, why, head, again) : []));
}

function shareParts(state, why, head, again) {
  const { network, outputs } = state;
  const target = classOf(state);
  const { shares, bias, logit } = sharesOf(network, outputs, head, target);
  const order = bySize(shares);
  const shown = state.allChannels ? order : order.slice(0, FIRST_SHOWN);
  const hidden = order.slice(shown.length);
  const rest = hidden.reduce((sum, channel) => sum + shares[channel], 0);
  const parts = [...shown.map((channel) => shares[channel]), ...(hidden.length > 0 ? [rest] : []),
    ...(bias === null ? [] : [bias])];
  const texts = state.exact ? null : addingUp(parts, logit);
  const text = (i) => (texts ? writtenAs(parts[i], texts.parts[i]) : numeral(parts[i], state.exact));
  const entries = shown.map((channel, i) => ({ channel, value: shares[channel], text: text(i) }));
  const sum = [
    ...(hidden.length > 0 ? [[fillIn(why.channelsOthers, { count: hidden.length }), text(shown.length), "others"]] : []),
    ...(bias === null ? [] : [[why.channelsBias, text(parts.length - 1), "bias"]]),
    [fillIn(why.channelsTotal, { sign: texts ? "=" : equalsSign(parts, logit, state.exact), name: className(state, target) }),
      texts ? writtenAs(logit, texts.total) : numeral(logit, state.exact), "total"],
  ];
  const source = head.maps === 0 ? why.whyPicture : network.layers[head.maps - 1].name;
  const toggle = () => {
    state.allChannels = !state.allChannels;
    again();
  };
  return [
    make("div", { class: "view-controls occ-choices" }, classField(state, again)),
    make("h3", {}, fillIn(why.channelsOf, { layer: source, shape: shapeText(head.shape), count: shown.length, all: shares.length })),
    channelCards(state, head.maps - 1, outputs[head.maps], head.shape, entries, Math.abs(shares[order[0]])),
    ...(order.length > FIRST_SHOWN
      ? [stepButton(state.allChannels ? why.channelsFewer : why.channelsAll, "all-channels", toggle, true)] : []),
    make("dl", { class: "term-sums why-sum" }, sum.map(([name, number, role]) =>
      [make("dt", {}, name), make("dd", { "data-role": role }, number)])),
    make("p", { class: "view-note" }, texts ? why.channelsRounded : ""),
  ];
}

// A number with a text that is given.
function writtenAs(value, text) {
  return make("span", { class: "numeral", "data-value": String(value) }, text.replace("-", "\u2212"));
}
