// Grad-CAM of a class: the map over the picture, and the weighted maps that it is the sum of.

import { keepAddress } from "./address.js";
import { bySize, channelCards } from "./channel_cards.js";
import { written } from "./digits.js";
import { make } from "./dom.js";
import { EQUALS, equation } from "./equation.js";
import { camOf, camWeights, firstMaps, mapChoices, resizedMap } from "./gradcam.js";
import { pictureFigure } from "./gradient_view.js";
import { fillPanel, selectField, shapeText } from "./view_panel.js";
import { classField, className, classOf, indexOfLargest } from "./why_class.js";
import { overPicture, pixelText } from "./why_map.js";
import { backRun, continueBack, gradientBy } from "./why_run.js";
import { whyWords } from "./why_words.js";
import { fillIn } from "./words.js";

const SHOWN = 12; // channels

export function showGradCam(panel, state) {
  const why = whyWords[state.language];
  const { layers, input } = state.network;
  const choices = mapChoices(layers);
  const maps = choices.includes(state.maps) ? state.maps : firstMaps(layers) ?? choices.at(-1);
  if (maps === undefined) {
    fillPanel(panel, make("h2", {}, why.gradcamTitle), make("p", { class: "occ-intro" }, why.gradcamNone));
    return;
  }
  const shape = layers[maps - 1].out;
  const target = classOf(state);
  const run = backRun(state, target);
  const result = make("div", { class: "occ-result" });
  const channels = make("section", { class: "why-channels" });
  let found = null; // {weights, values}
  const map = overPicture(state, why.gradcamMap, 0, (place, said) => {
    show(place);
    if (said && found) state.announce(sentence(place ?? indexOfLargest(found.values)));
  });
  const again = () => showGradCam(panel, state);
  fillPanel(panel,
    make("h2", {}, why.gradcamTitle),
    make("p", { class: "occ-intro" }, why.gradcamIntro),
    make("p", { class: "formula" }, "L = relu(Σₖ αₖ Aₖ),  αₖ = ", why.gradcamMean, `(∂ ${why.whyLogit}(${className(state, target)}) / ∂ Aₖ)`),
    make("div", { class: "view-controls occ-choices" },
      classField(state, again),
      selectField(why.gradcamLayer, "maps", choices.map((i) => [String(i), `${layers[i - 1].name} (${shapeText(layers[i - 1].out)})`]),
        String(maps), (value) => {
          state.maps = Number(value);
          keepAddress();
          again();
        })),
    make("div", { class: "view-columns occ-pictures" }, map.figure, pictureFigure(state), result, channels));
  continueBack(run, maps, () => state.method === "gradcam" && panel.contains(result) && run.outputs === state.outputs, draw);

  function sentence(place) {
    return `${pixelText(state, place)}: ${written(found.values[place], state.exact)}`;
  }

  function draw() {
    const gradient = gradientBy(run, maps);
    if (gradient) {
      const weights = camWeights(gradient, shape);
      const cam = camOf(state.outputs[maps], weights, shape);
      found = { weights, values: resizedMap(cam, shape, input.shape) };
      channels.replaceChildren(...weightedMaps());
    }
    map.show(found?.values ?? null);
    show(null);
  }

  function show(place) {
    if (!found) {
      result.replaceChildren(make("p", { class: "soft" }, why.whyComputing));
      return;
    }
    const at = place ?? indexOfLargest(found.values);
    map.choose(at);
    result.dataset.place = String(at);
    const zero = found.values.every((value) => value === 0);
    result.replaceChildren(
      make("p", {}, pixelText(state, at), place === null && !zero ? ` (${why.gradcamLargest})` : ""),
      equation(state, ["L", EQUALS, found.values[at]]),
      make("p", {}, zero ? why.gradcamZero : why.gradcamRead),
      make("p", { class: "view-note" }, why.whyHint));
  }

  function weightedMaps() {
    const { weights } = found;
    const order = bySize(weights).slice(0, SHOWN);
    const entries = order.map((channel) => ({ channel, value: weights[channel],
      text: equation(state, ["α", EQUALS, weights[channel]]) }));
    return [
      make("h3", {}, fillIn(why.gradcamWeights, { count: order.length, all: weights.length })),
      channelCards(state, maps - 1, state.outputs[maps], shape, entries, Math.abs(weights[order[0]])),
    ];
  }
}
