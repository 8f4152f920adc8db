// The drawing pad: the enlarged input, to paint on with the pointer or with keys.

import { make } from "./dom.js";
import { afterPass, inputWanted } from "./passes.js";
import { makePen, makePenTools, colourOfPen, paperOf } from "./pen.js";
import { drawPicture, pixelsNow, showOwn } from "./pictures.js";
import { state } from "./state.js";
import { words } from "./words.js";

const PAD_SIDE = 280; // in CSS pixels

// Make a pad for the input of the network, whose longer side is `side` CSS pixels. Returns {element,
// frame, pen, show}: `show` draws the current input and updates the words; Escape calls `leave`.
export function makePad(leave, side = PAD_SIDE) {
  const [rows, columns, channels] = state.network.input.shape;
  const pad = {
    rows, columns, channels,
    pen: makePen(channels),
    cursor: { row: Math.floor(rows / 2), column: Math.floor(columns / 2) },
    dabs: [], // strokes since the last frame: [y, x] of the centre, size, colour
    clear: false, // whether to clear the picture before them
    waiting: false, // whether a frame is scheduled
    tell: false, // whether to announce the prediction then
  };
  pad.canvas = make("canvas");
  pad.mark = make("div", { class: "pad-cursor" });
  pad.frame = make("div", { class: "pad-frame", tabindex: 0, role: "application", style: {
    width: `${(side * columns) / Math.max(rows, columns)}px`, aspectRatio: `${columns} / ${rows}` } }, pad.canvas, pad.mark);
  const hint = make("p", { class: "soft" });
  const tools = makePenTools(pad.pen, () => wipe(pad), () => showMark(pad));
  const element = make("div", { class: "pad" }, pad.frame, make("div", {}, tools.element, hint));
  listenToPointer(pad);
  pad.frame.addEventListener("keydown", (event) => onKey(pad, event));
  element.addEventListener("keydown", (event) => event.key === "Escape" && leave());

  function show() {
    const w = words(state.language);
    pad.frame.setAttribute("aria-label", `${w.pad}. ${w.pad_keys}`);
    hint.textContent = `${w.pad_hint} ${w.pad_keys}`;
    drawPicture(pad.canvas, inputWanted(), state.network.input.shape);
    tools.show();
    showMark(pad);
  }
  return { element, frame: pad.frame, pen: pad.pen, show };
}

// Paint the square of the pen centred at (y, x), in pixels.
function paint(pad, y, x) {
  pad.dabs.push({ y, x, size: pad.pen.size, colour: colourOfPen(pad.pen) });
  soon(pad);
}

// Clear the picture.
function wipe(pad) {
  Object.assign(pad, { dabs: [], clear: true, tell: true });
  soon(pad);
}

// The network runs at most once per frame.
function soon(pad) {
  if (!pad.waiting) requestAnimationFrame(() => flush(pad));
  pad.waiting = true;
}

function flush(pad) {
  const { rows, columns, channels, dabs, clear, tell } = pad;
  Object.assign(pad, { dabs: [], clear: false, waiting: false, tell: false });
  const pixels = Uint8Array.from(pixelsNow());
  if (clear) pixels.fill(paperOf(pad.pen));
  for (const { y, x, size, colour } of dabs) {
    const [top, left] = [cornerOf(y, size), cornerOf(x, size)];
    for (let r = Math.max(0, top); r < Math.min(rows, top + size); r++) {
      for (let c = Math.max(0, left); c < Math.min(columns, left + size); c++) {
        pixels.set(colour, (r * columns + c) * channels);
      }
    }
  }
  showOwn(pixels, null);
  if (tell) afterPass(() => state.announce(document.getElementById("prediction").textContent || words(state.language).drawn));
}

function cornerOf(middle, size) {
  return Math.round(middle - size / 2);
}

function listenToPointer(pad) {
  let last = null; // last point of the stroke; null between strokes
  const placeAt = (event) => {
    const area = pad.canvas.getBoundingClientRect();
    return [((event.clientY - area.y) / area.height) * pad.rows, ((event.clientX - area.x) / area.width) * pad.columns];
  };
  pad.frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pad.frame.setPointerCapture(event.pointerId);
    last = placeAt(event);
    paint(pad, ...last);
  });
  pad.frame.addEventListener("pointermove", (event) => {
    if (last === null) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const one of passed.length > 0 ? passed : [event]) {
      // Fill the gaps of a fast pointer, with two points per pixel.
      const [y, x] = last;
      last = placeAt(one);
      const [down, right] = [last[0] - y, last[1] - x];
      const steps = Math.ceil(2 * Math.max(Math.abs(down), Math.abs(right)));
      for (let i = 1; i <= steps; i++) paint(pad, y + (down * i) / steps, x + (right * i) / steps);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pad.frame.addEventListener(end, () => {
      if (last !== null) Object.assign(pad, { tell: true });
      if (last !== null) soon(pad);
      last = null;
    });
  }
}

function onKey(pad, event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const { cursor } = pad;
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (step) {
    cursor.row = Math.max(0, Math.min(pad.rows - 1, cursor.row + step[0]));
    cursor.column = Math.max(0, Math.min(pad.columns - 1, cursor.column + step[1]));
    showMark(pad);
    const w = words(state.language);
    state.announce(`${w.row} ${cursor.row}, ${w.column} ${cursor.column}`);
  } else if (event.key === " " || event.key === "Enter") {
    pad.tell = true;
    paint(pad, cursor.row + 0.5, cursor.column + 0.5);
  } else return;
  event.preventDefault();
}

// The square that a key would paint.
function showMark({ mark, cursor, pen, rows, columns }) {
  const [top, left] = [cornerOf(cursor.row + 0.5, pen.size), cornerOf(cursor.column + 0.5, pen.size)];
  Object.assign(mark.style, {
    top: `${(100 * top) / rows}%`, left: `${(100 * left) / columns}%`,
    height: `${(100 * pen.size) / rows}%`, width: `${(100 * pen.size) / columns}%`,
  });
}
