// The animation through all positions, and the exercise buttons: hint, show me, start again.

import { make } from "./dom.js";
import { written } from "./digits.js";
import { tally } from "./exercise.js";
import { cellAt } from "./playground_grid.js";
import { outShape, placeAtStep, playUnit, stepAtPlace } from "./playground_state.js";
import { fillIn } from "./words.js";

const PAUSE = 800; // milliseconds at each position

export function showWalk(view) {
  const { text, boxes, play } = view;
  const button = (name, onclick) => make("button", { type: "button", name, onclick }, text[name]);
  view.progress = make("span", { class: "pg-progress" });
  view.buttons = play.answers
    ? {
        hint: button("hint", () => showHint(view)),
        show_me: button("show_me", () => showAnswer(view)),
        start_again: button("start_again", () => startAgain(view)),
      }
    : {
        play: button("play", () => (view.timer === null ? startWalk(view) : view.stop())),
        back: button("back", () => walkPlaygroundBy(view, -1)),
        step: button("step", () => walkPlaygroundBy(view, 1)),
        reset: button("reset", () => resetWalk(view)),
      };
  boxes.walk.replaceChildren(...Object.values(view.buttons), view.progress);
}

const stepsIn = (layer) => outShape(layer).reduce((a, b) => a * b);

// --- animation ------------------------------------------------------------------------------------

function startWalk(view) {
  const last = stepsIn(view.layer) - 1;
  if (view.play.at && stepAtPlace(view.layer, view.play.at) === last) view.play.at = null;
  view.timer = setInterval(() => {
    if (!view.boxes.walk.isConnected || !walkOn(view, 1)) view.stop();
  }, PAUSE);
  if (!walkOn(view, 1)) view.stop();
}

export function stopWalk(view) {
  clearInterval(view.timer);
  view.timer = null;
}

function walkPlaygroundBy(view, steps) {
  stopWalk(view);
  walkOn(view, steps);
}

// Move to the next position; later outputs are empty. False at the end.
function walkOn(view, steps) {
  const { play, layer, text, state } = view;
  const step = (play.at ? stepAtPlace(layer, play.at) : -1) + steps;
  if (step < 0 || step >= stepsIn(layer)) return false;
  const place = placeAtStep(layer, step);
  play.filled = step;
  view.select(place);
  const value = written(view.y[playUnit(layer, place)], state.exact);
  state.announce(fillIn(text.place_value, { ...place, value }));
  return step < stepsIn(layer) - 1;
}

function resetWalk(view) {
  stopWalk(view);
  view.play.filled = null;
  view.select(null);
  view.state.announce(view.text.point);
}

// --- the exercise ---------------------------------------------------------------------------------

function showHint(view) {
  if (view.play.at === null) view.play.at = placeAtStep(view.layer, 0);
  view.play.hint = true;
  view.refresh();
  const lines = view.boxes.working.querySelectorAll(".pg-product, .pg-task, .pg-sum");
  view.state.announce(Array.from(lines, (line) => line.textContent).join("; "));
}

function showAnswer(view) {
  const { play, layer } = view;
  if (play.at === null) play.at = placeAtStep(layer, 0);
  const unit = playUnit(layer, play.at);
  const answer = written(Number(view.y[unit].toPrecision(12)), true);
  play.answers[unit] = { text: answer, shown: true };
  cellAt(view.grids.output[play.at.channel], play.at.row, play.at.column).value = answer;
  view.refresh();
  view.state.announce(fillIn(view.text.place_value, { ...play.at, value: answer }));
}

function startAgain(view) {
  view.play.answers = {};
  view.play.hint = false;
  view.play.at = null;
  view.redraw();
  view.buttons.start_again.focus();
  view.state.announce(view.text.exercise);
}

// --- progress -------------------------------------------------------------------------------------

export function refreshWalk(view) {
  const { play, text, layer, progress, buttons } = view;
  if (play.answers) {
    const standing = tally(play.answers, Array.from(view.y));
    const word = standing.shown ? text.standing_shown : text.standing;
    const done = standing.right === standing.all ? ` ${text.done}` : "";
    view.standing = fillIn(word, standing) + done;
    progress.dataset.value = String(standing.right);
    progress.textContent = view.standing;
    return;
  }
  const step = play.at ? stepAtPlace(layer, play.at) + 1 : 0;
  buttons.play.textContent = view.timer === null ? text.play : text.pause;
  buttons.back.disabled = step <= 1;
  buttons.step.disabled = step === stepsIn(layer);
  progress.dataset.value = String(step);
  progress.textContent = fillIn(text.progress, { step, all: stepsIn(layer) });
}
