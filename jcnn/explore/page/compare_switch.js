// The switch between two models, for all views of one network.

import { MODEL_LETTERS, takeModel } from "./compare.js";
import { compareWords } from "./compare_words.js";
import { make } from "./dom.js";
import { state } from "./state.js";

// Fill an empty element; further calls update it. It is hidden in a page with one model.
export function showModels(box) {
  const { models } = state.network;
  box.hidden = !models || state.view === "playground";
  if (!models) return;
  box.setAttribute("aria-label", compareWords[state.language].modelShown);
  if (!box.firstChild) {
    box.append(...models.map(({ own_name: name }, k) => make("button",
      { type: "button", "data-model": MODEL_LETTERS[k], onclick: () => takeModel(k) }, make("b", {}, MODEL_LETTERS[k]), ` ${name}`)));
  }
  [...box.children].forEach((button, k) => button.setAttribute("aria-pressed", String(k === state.model)));
}
