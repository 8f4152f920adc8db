// The walk of a convolution's window over the positions: its buttons, and the play.

import { written } from "./digits.js";
import { make } from "./dom.js";
import { isEditing } from "./edit_cell.js";
import { movesAfter } from "./pace.js";
import { placeOf, unitAt } from "./shapes.js";
import { change } from "./state.js";

const TICK = 60; // milliseconds between two moves, at least

let speed = 1; // of all walks, chosen by the reader

// The buttons of `conv`; `start` is the one for play and pause, `position` says where the window is.
export function makeWalk(conv) {
  const { w } = conv;
  const button = (name, press) => make("button", { type: "button", "data-part": name, onclick: press }, w[name]);
  const start = button("play", () => (conv.timer === null ? playWalk(conv) : pauseWalk(conv)));
  const position = make("span", { class: "position" });
  const element = make("div", { class: "walk" }, start,
    button("back", () => stepBy(conv, -1)), button("step", () => stepBy(conv, 1)),
    button("reset", () => {
      pauseWalk(conv);
      goTo(conv, 0, 0, true);
      sayPlace(conv);
    }), speedOf(w), position);
  return { element, start, position };
}

// Let pointer and keys move the window over `box`, which shows the positions of the output.
export function followPointer(box, conv) {
  const [height, width] = conv.layer.out;
  const follow = (event) => {
    const area = box.getBoundingClientRect();
    const row = Math.floor(((event.clientY - area.y) / area.height) * height);
    const c = Math.floor(((event.clientX - area.x) / area.width) * width);
    if (row >= 0 && c >= 0 && row < height && c < width) goTo(conv, row, c, false);
  };
  box.addEventListener("pointermove", (event) => conv.timer === null && follow(event));
  box.addEventListener("click", follow);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { row, column } = placeOf(conv.layer.out, conv.unit);
    const within = (n, size) => Math.max(0, Math.min(size - 1, n));
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [0, 0], End: [height - 1, width - 1],
    }[event.key];
    if (!to && event.key !== " ") return;
    event.preventDefault();
    if (!to) return conv.timer === null ? playWalk(conv) : pauseWalk(conv);
    pauseWalk(conv);
    goTo(conv, within(to[0], height), within(to[1], width), false);
    sayPlace(conv);
  });
}

export function playWalk(conv) {
  if (conv.timer !== null) return;
  const { row, column } = placeOf(conv.layer.out, conv.unit);
  const [height, width] = conv.layer.out;
  if (row === height - 1 && column === width - 1) goTo(conv, 0, 0, true);
  const now = placeOf(conv.layer.out, conv.unit);
  const count = height * width - 1 - now.row * width - now.column;
  let [made, elapsed, last] = [0, 0, performance.now()];
  conv.timer = setInterval(() => {
    const time = performance.now();
    elapsed += (time - last) * speed;
    last = time;
    const moves = movesAfter(elapsed, count) - made;
    made += moves;
    const gone = !conv.element.isConnected || conv.state.selected?.layer !== conv.index;
    if (gone || (moves > 0 && !moveConv(conv, moves)) || made === count) pauseWalk(conv);
  }, TICK);
  conv.bar.start.textContent = conv.w.pause;
}

export function pauseWalk(conv) {
  clearInterval(conv.timer);
  conv.timer = null;
  conv.bar.start.textContent = conv.w.play;
}

function speedOf(w) {
  const slider = make("input", { type: "range", min: -1, max: 2, step: 0.5, value: Math.log2(speed), "data-part": "speed",
    oninput: () => { speed = 2 ** Number(slider.value); } });
  return make("label", { class: "speed" }, w.speed, slider);
}

function stepBy(conv, by) {
  pauseWalk(conv);
  if (moveConv(conv, by)) sayPlace(conv);
}

// Move to the next position, row by row; false at the end.
function moveConv(conv, by) {
  const { row, column } = placeOf(conv.layer.out, conv.unit);
  const [height, width] = conv.layer.out;
  const next = row * width + column + by;
  if (next < 0 || next >= height * width) return false;
  goTo(conv, Math.floor(next / width), next % width, true);
  return true;
}

// `walk` hides the outputs that the window has not come to. While a number is typed, it stays.
function goTo(conv, row, column, walk) {
  const unit = unitAt(conv.layer.out, row, column, conv.filter);
  if ((unit === conv.unit && walk === conv.walk) || isEditing(conv.element)) return;
  conv.walk = walk;
  change({ selected: { layer: conv.index, unit } });
}

function sayPlace(conv) {
  const { row, column } = placeOf(conv.layer.out, conv.unit);
  const { w, state } = conv;
  state.announce(`${w.row} ${row}, ${w.column} ${column}: ${written(conv.output[conv.unit], state.exact)}`);
}
