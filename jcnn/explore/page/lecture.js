// Lecture mode: large type, the controls hidden, full screen where the browser allows it, a
// presenter's keys.

import { make, makeSvg } from "./dom.js";
import { change, state } from "./state.js";
import { tourWords } from "./tour_words.js";

const IN_FIELD = "input, select, textarea";
const IN_MAP = `${IN_FIELD}, [role="application"], [role="grid"], .editable, summary`;

// Make the button of lecture mode in `bar`. `page(by)` goes on or back, and is false if there is
// nothing to go through. Returns {prepare, show}, called after a change before and after drawing.
export function makeLecture(bar, page) {
  const button = make("button", { type: "button", "data-guide": "lecture", onclick: () => setLecture(!state.lecture) },
    makeSvg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, makeSvg("path", { d: "M1 3h18v11H1zM10 14v4M5 18h10" })));
  const blank = make("div", { class: "blank", hidden: true, onclick: () => setBlank(false) });
  bar.append(button);
  document.body.append(blank);
  let full = false; // whether this page has asked for the full screen

  function setLecture(on) {
    change({ lecture: on });
    const root = document.documentElement;
    if (on && root.requestFullscreen) root.requestFullscreen().then(() => { full = true; }, () => {});
    else if (!on && document.fullscreenElement) document.exitFullscreen();
  }

  function setBlank(on) {
    blank.hidden = !on;
    if (on) state.announce(tourWords[state.language].blank);
  }

  document.addEventListener("fullscreenchange", () => {
    if (document.fullscreenElement || !full) return;
    full = false;
    if (state.lecture) change({ lecture: false });
  });

  // Before any map, whose keys these are, too.
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (!act(event.key, event.target)) return;
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });

  function act(key, target) {
    const within = (selector) => target instanceof Element && target.closest(selector) !== null;
    if (!blank.hidden) {
      setBlank(false);
      return true;
    }
    const guided = state.lecture || state.tour !== null;
    if (key === "F5" && guided) setLecture(!state.lecture);
    else if (key === "Escape" && state.lecture && !within(IN_FIELD)) setLecture(false);
    else if ((key === "b" || key === ".") && state.lecture && !within(IN_FIELD)) setBlank(true);
    else if (key === "PageDown" || key === "PageUp") return guided && page(key === "PageDown" ? 1 : -1);
    else if ((key === "ArrowRight" || key === "ArrowLeft") && !within(IN_MAP)) return guided && page(key === "ArrowRight" ? 1 : -1);
    else return false;
    return true;
  }

  function prepare() {
    document.documentElement.classList.toggle("lecture", state.lecture);
    if (!state.lecture) setBlank(false);
  }

  function show() {
    const labels = tourWords[state.language];
    const name = state.lecture ? labels.leave_lecture : labels.lecture;
    button.setAttribute("aria-label", name);
    button.title = `${name}. ${labels.lecture_keys}`;
    button.setAttribute("aria-pressed", String(state.lecture));
  }
  return { prepare, show };
}
