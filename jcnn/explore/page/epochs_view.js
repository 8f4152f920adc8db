// The panel beside the network in a page over epochs: a slider and play, curves, kernels, confusion.

import { confusionTable } from "./confusion.js";
import { isDark } from "./colour.js";
import { make } from "./dom.js";
import { takeEpoch } from "./edits.js";
import { lastEpoch } from "./epochs.js";
import { epochCurve } from "./epochs_curve.js";
import { firstKernels } from "./epochs_kernels.js";
import { epochWords } from "./epochs_words.js";
import { state } from "./state.js";
import { fillIn } from "./words.js";

const PLAY_WHOLE = 10_000; // milliseconds from the first epoch to the last
const PLAY_STEP = 2000; // between two epochs, at most

let epochPanel = null; // {key, slider, parts, ...}: what the panel shows
let playing = null; // the timer

// Fill the panel, or update what depends on the epoch; nothing in a page without epochs.
export function showEpochs(box) {
  const { network, epoch } = state;
  box.hidden = !network.epochs;
  if (!network.epochs) return;
  const key = [state.language, state.exact, isDark()].join();
  if (epochPanel?.key !== key) buildEpochs(box, key);
  const place = network.epochs.numbers.indexOf(epoch);
  epochPanel.slider.value = place;
  epochPanel.slider.setAttribute("aria-valuetext", epochText(epoch));
  epochPanel.label.textContent = epochText(epoch);
  epochPanel.button.textContent = epochWords[state.language][playing === null ? "epochPlay" : "epochPause"];
  for (const part of epochPanel.parts) part.mark(epoch, place);
}

function epochText(epoch) {
  const words = epochWords[state.language];
  return epoch === 0 ? words.epochStart : fillIn(words.epochOf, { epoch, last: lastEpoch(state.network) });
}

function buildEpochs(box, key) {
  const { numbers } = state.network.epochs;
  const words = epochWords[state.language];
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const choose = (epoch) => {
    pauseEpochs();
    takeEpoch(epoch);
  };
  const slider = make("input", { type: "range", min: 0, max: numbers.length - 1, step: 1, "data-key": "epoch",
    "aria-label": words.epochSlider, oninput: () => choose(numbers[Number(slider.value)]),
    onkeydown: (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      togglePlay();
    } });
  const button = make("button", { type: "button", "data-key": "play-epochs", onclick: togglePlay });
  const label = make("h2");
  const kernels = firstKernels(state);
  const confusion = confusionTable(state);
  const parts = [
    epochCurve(state, "loss", words.epochLoss, null, choose),
    epochCurve(state, "accuracy", words.epochAccuracy, 1, choose),
    ...(kernels ? [kernels] : []),
    { element: confusion.element, mark: (_, place) => confusion.mark(place) },
  ];
  box.setAttribute("aria-label", words.epochsTitle);
  box.replaceChildren(make("div", { class: "epoch-walk" }, label, button, slider), ...parts.map(({ element }) => element));
  epochPanel = { key, slider, button, label, parts };
  if (focused) box.querySelector(`[data-key="${focused}"]`)?.focus();
}

function togglePlay() {
  if (playing === null) playEpochs();
  else {
    pauseEpochs();
    showEpochs(epochPanel.slider.closest("#epochs"));
  }
}

// From the epoch that is shown, or from the first if it is the last. A slow network skips epochs.
function playEpochs() {
  const { numbers } = state.network.epochs;
  const last = numbers.length - 1;
  const start = state.epoch === numbers[last] ? 0 : numbers.indexOf(state.epoch);
  const step = Math.min(PLAY_STEP, PLAY_WHOLE / last);
  const began = performance.now();
  let shown = null;
  const tick = () => {
    // The reader went elsewhere meanwhile.
    if (shown !== null && (state.epoch !== shown || state.view !== "network")) return pauseEpochs();
    const place = Math.min(last, start + Math.floor((performance.now() - began) / step));
    if (place === last) playing = null;
    else playing = setTimeout(tick, step - ((performance.now() - began) % step));
    if (numbers[place] === shown) return;
    shown = numbers[place];
    takeEpoch(shown);
    if (playing === null) state.announce(epochText(shown));
  };
  tick();
}

function pauseEpochs() {
  clearTimeout(playing);
  playing = null;
}
