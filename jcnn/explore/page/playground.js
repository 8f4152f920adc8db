// The playground: a window over a small grid of numbers, without a model.

import { make } from "./dom.js";
import { exampleOf, lectureExamples, ownExamples, tagOf, titleOf } from "./examples_more.js";
import { calculationsTable } from "./playground_calculations.js";
import { markRefused, showChoices, showFormula } from "./playground_settings.js";
import { drawStage, refreshStage } from "./playground_stage.js";
import { drawNumbers, forgetPlace, layerOf, outShape, playOf, resolvePlay } from "./playground_state.js";
import { playgroundWords } from "./playground_words.js";
import { fillIn } from "./words.js";
import { change } from "./state.js";
import { refreshWalk, showWalk, stopWalk } from "./playground_walk.js";

// Fill `panel`; the choices and numbers are in `state.playground`.
export function showPlayground(panel, state) {
  state.playground ??= playOf(ownExamples()[0] ?? exampleOf("000_valid"));
  const text = playgroundWords[state.language];
  const box = (name, attributes = {}) => make("div", { class: `pg-${name}`, ...attributes });
  const boxes = {
    form: make("form", { class: "pg-choices", onsubmit: (event) => event.preventDefault() }),
    formula: box("formula"),
    stage: box("stage"),
    walk: box("walk", { role: "group", "aria-label": text.walk }),
    working: box("working"),
    notes: box("notes"),
  };
  const view = { state, text, play: state.playground, boxes, timer: null };
  wire(view);
  panel.replaceChildren(
    make(
      "div",
      { class: "playground", lang: state.language },
      make("div", { class: "pg-head" }, make("h2", {}, text.title), topBar(view)),
      boxes.form,
      boxes.formula,
      // Side by side in a wide window, so that all of it stands in one screen.
      make("div", { class: "pg-bench" }, boxes.stage, make("div", { class: "pg-side" }, boxes.walk, boxes.working, boxes.notes)),
      make("p", { class: "pg-intro" }, text.intro),
      calculationsTable(text),
    ),
  );
  drawChoices(view);
  redraw(view);
}

// The callbacks of the parts.
function wire(view) {
  view.redraw = () => redraw(view);
  view.changed = () => ownNumbers(view);
  view.stop = () => {
    if (view.timer === null) return;
    stopWalk(view);
    refreshWalk(view);
  };
  view.refresh = () => {
    refreshStage(view);
    refreshWalk(view);
    change({ playground: view.play });
  };
  view.select = (place) => {
    view.play.at = place;
    view.play.hint = false;
    view.refresh();
  };
}

function topBar(view) {
  const { text } = view;
  const option = (one) => make("option", { value: one.id }, titleOf(text, one));
  const group = (label, examples) => examples.length > 0 && make("optgroup", { label }, examples.map(option));
  const ofLectures = lectureExamples();
  const isTurn = ({ lecture, exercise }) => lecture === "A" && Boolean(exercise);
  const groups = ["A", "B", "C", "D", "E"].map((letter) =>
    group(text[`lecture_${letter}`], ofLectures.filter((one) => one.lecture === letter && !isTurn(one))),
  );
  const select = make(
    "select",
    { name: "example" },
    make("option", { value: "" }, text.own),
    group(text.group_own, ownExamples()),
    group(text.group_exercise, ofLectures.filter(isTurn)),
    groups,
  );
  select.addEventListener("change", () => choose(view, select.value));
  view.presets = select;
  view.turn = make("button", { type: "button", class: "pg-turn", onclick: () => turn(view) }, text.your_turn);
  const other = make("button", { type: "button", class: "pg-new", onclick: () => renew(view) }, text.new_numbers);
  const field = make("label", { class: "pg-field" }, make("span", {}, text.preset), select);
  view.tag = make("p", { class: "pg-tag" });
  return make("div", { class: "pg-top" }, field, view.turn, other, view.tag);
}

function choose(view, id) {
  const example = exampleOf(id);
  if (example === undefined) {
    ownNumbers(view);
    return view.refresh();
  }
  view.play = view.state.playground = playOf(example);
  drawChoices(view);
  redraw(view);
  announceSize(view);
}

// Start or end the exercise.
function turn(view) {
  view.play.answers = view.play.answers === null ? {} : null;
  forgetPlace(view.play);
  redraw(view);
  view.state.announce(view.play.answers ? view.text.exercise : view.text.point);
}

function renew(view) {
  drawNumbers(view.play);
  forgetPlace(view.play);
  ownNumbers(view);
  redraw(view);
  announceSize(view);
}

// The numbers differ from those of the lecture now.
function ownNumbers(view) {
  view.play.example = null;
  view.presets.value = "";
  showTag(view);
}

// Lecture and slide of the example.
function showTag({ play, text, tag }) {
  const example = exampleOf(play.example);
  tag.textContent = example ? tagOf(text, example) : "";
}

function drawChoices(view) {
  const { play, text, boxes } = view;
  showChoices(boxes.form, text, play.choices, play.inputs.length, (patch) => {
    const { channels, ...choices } = patch;
    Object.assign(play.choices, choices);
    forgetPlace(play);
    ownNumbers(view);
    if (patch.operation) {
      drawChoices(view);
      boxes.form.elements.operation.focus();
    }
    redraw(view, channels);
    if (view.layer) announceSize(view);
  });
}

// Everything below the settings: the output size and the grids, or an error message.
function redraw(view, channels) {
  const { play, text, boxes, state } = view;
  stopWalk(view);
  const window = resolvePlay(play, channels);
  const { refusal } = window;
  view.presets.value = play.example ?? "";
  showTag(view);
  view.turn.setAttribute("aria-pressed", String(play.answers !== null));
  markRefused(boxes.form, refusal);
  for (const name of ["stage", "walk", "working", "notes"]) boxes[name].hidden = Boolean(refusal);
  if (refusal) {
    view.layer = null;
    const reason = fillIn(text[refusal.word], refusal.values);
    boxes.formula.replaceChildren(
      make("div", { class: "pg-refusal" }, make("strong", {}, text.refused), make("p", { class: "pg-reason" }, reason)),
    );
    state.announce(`${text.refused}: ${reason}`);
    return;
  }
  view.window = window;
  view.layer = layerOf(play, window);
  showFormula(boxes.formula, text, play.choices, window, play.inputs.length);
  drawStage(view);
  showWalk(view);
  view.refresh();
}

function announceSize({ layer, text, state }) {
  const [rows, columns, channels] = outShape(layer);
  const word = channels > 1 ? text.out_size_channels : text.out_size;
  state.announce(fillIn(word, { rows, columns, channels }));
}
