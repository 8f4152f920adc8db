// The guided tour of the network: which stop is shown, what it sets, and whether its task is done.

import { restoredOutputs } from "./edits.js";
import { make } from "./dom.js";
import { choosePicture } from "./pictures.js";
import { change, state } from "./state.js";
import { makeCardOfTour } from "./tour_card.js";
import { bringInSight, markAll } from "./tour_marks.js";
import { rolesOf } from "./tour_roles.js";
import { stopsFor } from "./tour_stops_more.js";
import { tourWords } from "./tour_words.js";

const STILL = 700; // milliseconds without a change, after which a try counts as wrong
// The changes that are tries.
const TRIES = ["selected", "outputs", "playground", "dropoutTraining"];

// Make the tour in an empty element, and its button in `bar`. Returns {prepare, show, page}: `prepare`
// is called after a change before the page is drawn, `show` after it, and `page(by)` goes on or back.
export function makeTour(panel, bar) {
  let roles = null; // found when the tour is first opened: in a deep network this takes time
  let stops = [];
  const card = makeCardOfTour(panel, { go, close: () => change({ tour: null }), fold: () => fold(true) });
  const start = make("button", { type: "button", "data-guide": "tour", onclick: toggle });
  bar.append(start);
  let stay = null; // at a stop: {number, home, layer, began, hints, isSolved, isDone, wasSolved, timer}
  let folded = false;

  // A place for the functions of a stop.
  function placeAt(stop, at, stayed) {
    const layer = stop.layer?.(roles);
    const home = stayed?.home ?? null;
    const unit = at.selected !== null && at.selected.layer === layer ? at.selected.unit : home;
    return { state: at, network: at.network, roles, layer, home, unit, began: stayed?.began ?? at };
  }

  function prepareStops() {
    if (roles !== null) return;
    roles = rolesOf(state.network);
    stops = stopsFor(state.network, roles);
  }

  function toggle() {
    if (state.tour === null) go(1);
    else if (folded) fold(false);
    else change({ tour: null });
  }

  function fold(on) {
    folded = on;
    change({ tour: state.tour });
    (on ? start : card.title).focus({ preventScroll: true });
  }

  // Go to a stop: set what it shows, and undo what was changed at the last one.
  function go(number) {
    prepareStops();
    if (number < 1 || number > stops.length) return;
    const stop = stops[number - 1];
    const patch = { tour: number, view: "network", selected: null, tab: null };
    if (stay && state.edited && !stay.began.edited) Object.assign(patch, { outputs: restoredOutputs(), edited: false });
    Object.assign(patch, stop.patch?.({ ...state, ...patch }));
    const home = stop.home?.(placeAt(stop, { ...state, ...patch })) ?? null;
    if (home !== null) patch.selected = { layer: stop.layer(roles), unit: home };
    folded = false;
    enter(number, home);
    const { picture = state.picture, ...now } = patch;
    if (picture !== state.picture) choosePicture(picture, now);
    else change(patch);
    state.announce(`${number}. ${card.title.textContent}`);
  }

  function enter(number, home) {
    clearTimeout(stay?.timer);
    stay = { number, home, began: null, hints: 0, isDone: false, wasSolved: false, timer: null };
  }

  function prepare() {
    document.documentElement.classList.toggle("touring", state.tour !== null && !folded);
  }

  // An address that was typed or opened, before the page writes its own: with more than the number of
  // the stop, it says itself what is shown.
  let typed = location.hash;
  addEventListener("hashchange", () => { typed = location.hash; }, { capture: true });

  function arrive() {
    prepareStops();
    const number = Math.max(1, Math.min(stops.length, state.tour));
    const whole = /[#&](layer|view)=/.test(typed);
    typed = "";
    if (whole) enter(number, stops[number - 1].home?.(placeAt(stops[number - 1], state)) ?? null);
    else go(number);
    return whole;
  }

  function show(changed) {
    const labels = tourWords[state.language];
    start.textContent = labels.tour;
    start.setAttribute("aria-pressed", String(state.tour !== null));
    start.title = state.tour !== null && folded ? labels.unfold : labels.keys;
    panel.hidden = state.tour === null || folded;
    if (state.tour === null) {
      if (stay) leave();
      return;
    }
    const isTyped = /[#&]tour=/.test(typed);
    if ((isTyped || stay?.number !== state.tour) && !arrive()) return;
    const isNew = stay.began === null;
    if (isNew) stay.began = { ...state };
    update(changed, isNew);
  }

  function leave() {
    clearTimeout(stay.timer);
    stay = null;
    markAll([], state);
  }

  function update(changed, isNew) {
    const stop = stops[stay.number - 1];
    const at = placeAt(stop, state, stay);
    const hasTask = stop.task?.(at) ?? true;
    const isSolved = hasTask && stop.solved(at);
    if (isNew) stay.wasSolved = isSolved;
    else if (!isSolved) stay.wasSolved = false;
    const before = stay.isDone;
    stay.isDone ||= isSolved && !stay.wasSolved;
    if (!isNew && !stay.isDone && !changed.has("tour") && TRIES.some((name) => changed.has(name))) tried();
    card.show({ stops, number: stay.number, kind: stop.words?.(at), facts: stop.facts(at), hasTask, hint: stay.hints, isDone: stay.isDone });
    const found = folded ? markAll([], state) : markAll(stop.marks(at), state);
    if (isNew && !folded) bringInSight(found, panel);
    if (stay.isDone && !before) state.announce(panel.querySelector(".tour-done").textContent);
  }

  // After a wrong try, the next hint.
  function tried() {
    const here = stay;
    clearTimeout(here.timer);
    here.timer = setTimeout(() => {
      if (stay !== here || here.isDone) return;
      here.hints = Math.min(here.hints + 1, panel.querySelectorAll(".tour-hint").length);
      update(new Set(), false);
    }, STILL);
  }

  // A choice of the class changes the state without a call of `change`.
  document.addEventListener("change", (event) => {
    if (stay?.began && state.tour !== null && !panel.contains(event.target)) update(new Set(["outputs"]), false);
  });

  function page(by) {
    if (state.tour === null) return false;
    go(state.tour + by);
    return true;
  }
  return { prepare, show, page };
}
