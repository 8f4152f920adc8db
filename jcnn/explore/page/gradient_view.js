// The gradient of a class's logit by the picture.

import { written } from "./digits.js";
import { make } from "./dom.js";
import { EQUALS, equation } from "./equation.js";
import { drawPicture } from "./pictures.js";
import { steepest } from "./gradcam.js";
import { fillPanel } from "./view_panel.js";
import { classField, className, classOf, indexOfLargest } from "./why_class.js";
import { overPicture, pixelText } from "./why_map.js";
import { backRun, continueBack, gradientBy } from "./why_run.js";
import { whyWords } from "./why_words.js";

export function showGradient(panel, state) {
  const why = whyWords[state.language];
  const { shape } = state.network.input;
  const target = classOf(state);
  const run = backRun(state, target);
  const result = make("div", { class: "occ-result" });
  const map = overPicture(state, why.gradientMap, -1, (place, said) => {
    show(place);
    if (said && gradientBy(run, 0)) state.announce(sentence(place ?? steepestPlace()));
  });
  fillPanel(panel,
    make("h2", {}, why.gradientTitle),
    make("p", { class: "occ-intro" }, why.gradientIntro),
    make("div", { class: "view-controls occ-choices" }, classField(state, () => showGradient(panel, state))),
    make("div", { class: "view-columns occ-pictures" }, map.figure, pictureFigure(state), result));
  continueBack(run, 0, () => state.method === "gradient" && panel.contains(result) && run.outputs === state.outputs, draw);

  function values() {
    const gradient = gradientBy(run, 0);
    return gradient && steepest(gradient, shape);
  }

  function steepestPlace() {
    return indexOfLargest(values().map(Math.abs));
  }

  function sentence(place) {
    return `${pixelText(state, place)}: ${written(values()[place], state.exact)}`;
  }

  function draw() {
    map.show(values());
    show(null);
  }

  function show(place) {
    const gradient = gradientBy(run, 0);
    if (!gradient) {
      result.replaceChildren(make("p", { class: "soft" }, why.whyComputing));
      return;
    }
    const at = place ?? steepestPlace();
    map.choose(at);
    const channels = shape[2];
    result.dataset.place = String(at);
    result.replaceChildren(
      make("p", {}, pixelText(state, at), place === null ? ` (${why.gradientLargest})` : ""),
      ...Array.from({ length: channels }, (_, k) => equation(state, [
        `∂ ${why.whyLogit}(${className(state, target)}) / ∂ x${channels > 1 ? ` ${why.whyRgb.split(" ")[k]}` : ""}`,
        EQUALS, gradient[at * channels + k]])),
      make("p", {}, gradient.every((slope) => slope === 0) ? why.gradientZero : why.gradientRead),
      make("p", { class: "view-note" }, why.whyHint));
  }
}

// The picture beside the map.
export function pictureFigure(state) {
  const { shape } = state.network.input;
  const why = whyWords[state.language];
  const canvas = make("canvas", { role: "img", "aria-label": why.whyPicture });
  drawPicture(canvas, state.outputs[0], shape);
  const frame = make("div", { class: "map-frame", style: { aspectRatio: `${shape[1]} / ${shape[0]}` } }, canvas);
  return make("figure", {}, frame, make("figcaption", {}, why.whyPicture));
}
