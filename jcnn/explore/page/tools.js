// The buttons next to the pictures: draw, open a file, reset.

import { decoded } from "./decode.js";
import { make } from "./dom.js";
import { resetAll } from "./edits.js";
import { lastEpoch } from "./epochs.js";
import { makePad } from "./pad.js";
import { showOwn } from "./pictures.js";
import { prepared } from "./preprocess.js";
import { state } from "./state.js";
import { fillIn, words } from "./words.js";

let tools = null;

// Fill an empty element; further calls update it.
export function showTools(box) {
  tools ??= makeTools(box);
  const w = words(state.language);
  const { draw, open, reset, pad } = tools;
  draw.textContent = w.draw;
  open.textContent = w.open_picture;
  reset.textContent = w.reset_all;
  reset.hidden = !state.edited && state.own === null && state.epoch === lastEpoch(state.network);
  draw.setAttribute("aria-expanded", String(!pad.element.hidden));
  if (!pad.element.hidden) pad.show();
  showRefused();
}

function makeTools(box) {
  const button = (press, part) => make("button", { type: "button", "data-tool": part, onclick: press });
  const draw = button(() => openPad(pad.element.hidden), "draw");
  const file = make("input", { type: "file", accept: "image/*", hidden: true, onchange: () => {
    if (file.files.length > 0) openFile(file.files[0]);
    file.value = ""; // otherwise the same file could not be chosen again
  } });
  const open = button(() => file.click(), "open");
  const reset = button(() => {
    resetAll();
    draw.focus(); // the pressed button is hidden now
    state.announce(words(state.language).was_reset);
  }, "reset");
  const message = make("p", { class: "refused", role: "alert" });
  const pad = makePad(() => openPad(false));
  pad.element.hidden = true;
  box.append(make("div", { class: "tool-bar" }, draw, open, file, reset), message, pad.element);
  // A file dropped outside the pad would replace the page.
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

// Show the picture in a file; an unreadable file changes nothing.
async function openFile(file) {
  const turn = ++tools.opened;
  const { shape, resize } = state.network.input;
  let pixels = null;
  try {
    pixels = prepared(await decoded(file), shape, resize);
  } catch {
    // It is not a picture, or too large for this browser.
  }
  if (turn !== tools.opened) return; // another file was opened meanwhile
  tools.refused = pixels ? null : { name: file.name, outputs: state.outputs };
  if (pixels) showOwn(pixels, file.name);
  showRefused();
}

// Remove the message at the next change, when "nothing was changed" is no longer true.
function showRefused() {
  const { message } = tools;
  if (tools.refused?.outputs !== state.outputs) tools.refused = null;
  message.textContent = tools.refused ? fillIn(words(state.language).no_picture, tools.refused) : "";
  message.hidden = tools.refused === null;
}
