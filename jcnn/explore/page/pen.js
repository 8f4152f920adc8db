// The pen of the pad: colour, size, eraser.

import { make } from "./dom.js";
import { state } from "./state.js";
import { words } from "./words.js";

const SIZES = [1, 2, 3]; // side of the painted square, in pixels

export function makePen(channels) {
  return { ink: "white", size: 2, eraser: false, channels, picker: null };
}

// The colour of the pen, in the channels of the model.
export function colourOfPen(pen) {
  if (pen.eraser) return Array(pen.channels).fill(paperOf(pen));
  if (pen.ink !== "colour") return Array(pen.channels).fill(255 - paperOf(pen));
  return [1, 3, 5].map((at) => parseInt(pen.picker.value.slice(at, at + 2), 16));
}

// The colour of the eraser: black for a white pen, else white.
export function paperOf(pen) {
  return pen.ink === "white" ? 0 : 255;
}

// Buttons for colour, size and eraser, and one that clears the pad. Returns {element, show};
// `changed` is called after each choice.
export function makePenTools(pen, clear, changed) {
  const texts = []; // [element, key of its text]
  const choices = []; // [button, whether it is chosen]
  const button = (key, chosen, press) => {
    const element = make("button", { type: "button", "data-pen": key, onclick: () => {
      press();
      show();
      changed();
    } });
    if (chosen) choices.push([element, chosen]);
    return element;
  };
  const said = (element, key) => {
    texts.push([element, key]);
    return element;
  };
  const ink = (name) => said(button(name, () => pen.ink === name && !pen.eraser,
    () => Object.assign(pen, { ink: name, eraser: false })), name);
  const inks = [ink("white"), ink("black")];
  if (pen.channels === 3) {
    pen.picker = make("input", { type: "color", value: "#d63a3a", "data-pen": "picker", oninput: () => {
      Object.assign(pen, { ink: "colour", eraser: false });
      show();
    } });
    inks.push(ink("colour"), said(pen.picker, "colour"));
  }
  const sizes = SIZES.map((size) => button(`size-${size}`, () => pen.size === size, () => { pen.size = size; }));
  sizes.forEach((one, i) => one.append(String(SIZES[i])));
  const group = (key, ...children) => said(make("div", { class: "pen-group", role: "group" }, children), key);
  const element = make("div", { class: "pen" },
    group("pen", inks, said(button("eraser", () => pen.eraser, () => { pen.eraser = !pen.eraser; }), "eraser")),
    group("pen_size", said(make("span", { class: "soft" }), "pen_size"), sizes),
    said(button("clear", null, clear), "clear"));

  function show() {
    const w = words(state.language);
    for (const [one, key] of texts) {
      if (one.matches("button, span")) one.textContent = w[key];
      else one.setAttribute("aria-label", w[key]);
    }
    for (const [one, chosen] of choices) one.setAttribute("aria-pressed", String(chosen()));
  }
  return { element, show };
}
