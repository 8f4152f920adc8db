// The entry point of a page with the playground alone, for the examples of a lecturer's file.

import { forgetAddress, keepAddress } from "./address.js";
import { make } from "./dom.js";
import { addExamples } from "./examples_more.js";
import { makeLecture } from "./lecture.js";
import { turnPage } from "./lecture_page.js";
import { showPlayground } from "./playground.js";
import { change, listen, readHash, state } from "./state.js";
import { showTrouble } from "./trouble.js";
import { words } from "./words.js";

const NO_NETWORK = { pictures: [], layers: [], classes: [] };
const byId = (id) => document.getElementById(id);

function startExamples() {
  addExamples(JSON.parse(byId("examples").textContent));
  const language = navigator.language.startsWith("ja") ? "ja" : "en";
  Object.assign(state, { language, announce: (text) => (byId("announce").textContent = text) });
  Object.assign(state, readHash(location.hash, NO_NETWORK), { view: "playground", picture: null });
  const lecture = makeLecture(byId("guide"), turnPage);
  listen(lecture.prepare);
  listen(showExamples);
  listen(lecture.show);
  change({ ...state });
  addEventListener("hashchange", () => {
    forgetAddress();
    change({ ...readHash(location.hash, NO_NETWORK), view: "playground" });
  });
  document.body.dataset.ready = "true";
}

function showExamples(changed) {
  // The playground updates itself; drawn anew, a field in use would lose the focus.
  if (["view", "language", "exact"].some((name) => changed.has(name))) {
    document.documentElement.lang = state.language;
    showExampleControls();
    showPlayground(byId("playground"), state);
  }
  keepAddress();
}

function showExampleControls() {
  const w = words(state.language);
  const focused = document.activeElement?.dataset?.control;
  const languages = [["en", "English"], ["ja", "日本語"]].map(([value, text]) =>
    make("option", { value, selected: state.language === value }, text));
  byId("controls").replaceChildren(
    make("label", { class: "check" }, make("input", {
      type: "checkbox", "data-control": "exact", checked: state.exact,
      onchange: (event) => change({ exact: event.target.checked }),
    }), make("span", {}, w.exact)),
    make("label", {}, make("span", {}, w.language), make("select", {
      "data-control": "language", onchange: (event) => change({ language: event.target.value }),
    }, languages)),
  );
  if (focused) byId("controls").querySelector(`[data-control="${focused}"]`)?.focus();
}

try {
  startExamples();
} catch (error) {
  showTrouble(error, true);
}
