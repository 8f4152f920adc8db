// The pictures that maximise the channels of a convolution, found when the page was made.

import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { maximisedWords } from "./maximised_words.js";
import { drawPicture, showOwn } from "./pictures.js";
import { unitAt } from "./shapes.js";
import { selectUnit, stepButton, viewed } from "./view_panel.js";
import { whyWords } from "./why_words.js";
import { fillIn } from "./words.js";

function stageWith(network, layer) {
  return network.maximised?.stages.find(({ layers }) => layers.includes(layer));
}

export function hasMaximised(network, layer) {
  return Boolean(stageWith(network, layer));
}

// The parts of a view: the picture of the selected unit's channel, and those of the others.
export function maximisedParts(state) {
  const { layer, index, place } = viewed(state);
  const { layers } = state.network;
  const text = maximisedWords[state.language];
  const { shown, channels } = stageWith(state.network, index);
  const { channel } = place;
  const own = channels.find((one) => one.channel === channel);
  const others = channels.filter((one) => one !== own);
  const name = layers[shown].name;
  const select = (other) => selectUnit(index, unitAt(layer.out, place.row, place.column, other));
  return [
    make("header", { class: "view-head" }, make("h3", {}, text.maximisedTitle)),
    own && make("p", {}, fillIn(text.maximisedIntro, { layer: name })),
    own ? large(state, own, name, meanOf(state.outputs[shown + 1], channel, layers[shown].out))
      : make("p", {}, fillIn(text.maximisedNone, { channel })),
    own && others.length > 0 && make("h4", {}, fillIn(text.maximisedOthers, { layer: name })),
    make("ol", { class: "maximised" }, others.map((one) => make("li", { "data-channel": one.channel },
      make("button", { type: "button", class: "why-thumb", "data-key": `maximised-${one.channel}`, onclick: () => select(one.channel),
        "aria-label": fillIn(text.maximisedOpen, one), title: fillIn(text.maximisedOpen, one) }, picture(state, one)),
      make("span", { class: "soft" }, `${whyWords[state.language].whyChannel} ${one.channel}`),
      numeral(one.value, state.exact)))),
  ];
}

function large(state, { channel, value, pixels }, layer, now) {
  const text = maximisedWords[state.language];
  const name = fillIn(text.maximisedName, { channel, layer });
  return make("figure", { class: "maximised-one", "data-channel": channel },
    picture(state, { pixels }, name),
    make("figcaption", {},
      make("dl", {},
        make("dt", {}, fillIn(text.maximisedMean, { channel })), make("dd", { "data-role": "reached" }, numeral(value, state.exact)),
        make("dt", {}, text.maximisedNow), make("dd", { "data-role": "now" }, numeral(now, state.exact))),
      stepButton(text.maximisedRun, "maximised-run", () => showOwn(pixels, name), true)));
}

function picture({ network }, { pixels }, label = null) {
  const { shape, scale } = network.input;
  const canvas = make("canvas", label === null ? {} : { role: "img", "aria-label": label });
  drawPicture(canvas, Float64Array.from(pixels, (pixel) => pixel / scale), shape);
  return canvas;
}

function meanOf(output, channel, [height, width, channels]) {
  let sum = 0;
  for (let unit = channel; unit < output.length; unit += channels) sum += output[unit];
  return sum / (height * width);
}
