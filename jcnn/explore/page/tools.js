// The buttons beside the pictures: draw, open a file, reset.

import { decoded } from "./decode.js";
import { make } from "./dom.js";
import { resetAll } from "./edits.js";
import { makePad } from "./pad.js";
import { showOwn } from "./pictures.js";
import { prepared } from "./preprocess.js";
import { state } from "./state.js";
import { fillIn, words } from "./words.js";

let tools = null;

// Fill an empty element; called again, it shows what has changed.
export function showTools(box) {
  tools ??= makeTools(box);
  const w = words(state.language);
  const { draw, open, reset, pad } = tools;
  draw.textContent = w.draw;
  open.textContent = w.open_picture;
  reset.textContent = w.reset_all;
  reset.hidden = !state.edited && state.own === null;
  draw.setAttribute("aria-expanded", String(!pad.element.hidden));
  if (!pad.element.hidden) pad.show();
  showRefused();
}

function makeTools(box) {
  const button = (press, part) => make("button", { type: "button", "data-tool": part, onclick: press });
  const draw = button(() => openPad(pad.element.hidden), "draw");
  const file = make("input", { type: "file", accept: "image/*", hidden: true, onchange: () => {
    if (file.files.length > 0) openFile(file.files[0]);
    file.value = ""; // or the same file could not be chosen again
  } });
  const open = button(() => file.click(), "open");
  const reset = button(() => {
    resetAll();
    draw.focus(); // the button is gone
    state.announce(words(state.language).was_reset);
  }, "reset");
  const message = make("p", { class: "refused", role: "alert" });
  const pad = makePad(() => openPad(false));
  pad.element.hidden = true;
  box.append(make("div", { class: "tool-bar" }, draw, open, file, reset), message, pad.element);
  // A file let fall beside the pad would take the page's place.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length > 0) openFile(event.dataTransfer.files[0]);
  });

  function openPad(shown) {
    pad.element.hidden = !shown;
    showTools(box);
    (shown ? pad.frame : draw).focus();
  }
  return { draw, open, reset, message, pad, refused: null, opened: 0 };
}

// Show a file's picture; one that cannot be read changes nothing.
async function openFile(file) {
  const turn = ++tools.opened;
  const { shape, resize } = state.network.input;
  let pixels = null;
  try {
    pixels = prepared(await decoded(file), shape, resize);
  } catch {
    // It is no picture, or too large a one for this browser.
  }
  if (turn !== tools.opened) return; // another was opened meanwhile
  tools.refused = pixels ? null : { name: file.name, outputs: state.outputs };
  if (pixels) showOwn(pixels, file.name);
  showRefused();
}

// It goes with the next picture or change: then "nothing was changed" is no longer true.
function showRefused() {
  const { message } = tools;
  if (tools.refused?.outputs !== state.outputs) tools.refused = null;
  message.textContent = tools.refused ? fillIn(words(state.language).no_picture, tools.refused) : "";
  message.hidden = tools.refused === null;
}
