// The page "What matters": why the network gives this class, by one of four methods.

import { keepAddress } from "./address.js";
import { showChannels } from "./channels_view.js";
import { make } from "./dom.js";
import { showGradCam } from "./gradcam_view.js";
import { showGradient } from "./gradient_view.js";
import { showOcclusion } from "./occlusion_view.js";
import { choiceButton, fillPanel } from "./view_panel.js";
import { whyWords } from "./why_words.js";

const METHODS = { occlusion: showOcclusion, gradient: showGradient, gradcam: showGradCam, channels: showChannels };

// Fill an empty panel; further calls rebuild the part of the chosen method.
export function showWhy(panel, state) {
  const why = whyWords[state.language];
  if (!panel.firstChild) {
    panel.append(make("div", { class: "why-methods", role: "group" }), make("div", { class: "why-body" }));
  }
  const [bar, body] = panel.children;
  bar.setAttribute("aria-label", why.whyMethods);
  fillPanel(bar, Object.keys(METHODS).map((name) => choiceButton(why[`${name}Name`], `method-${name}`, () => {
    state.method = name;
    keepAddress();
    showWhy(panel, state);
  }, name === state.method)));
  body.dataset.method = state.method;
  METHODS[state.method](body, state);
}
