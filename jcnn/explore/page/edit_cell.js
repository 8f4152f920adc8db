// A number that can be typed over where it stands.

import { changeParameter, isChanged } from "./edits.js";
import { make } from "./dom.js";
import { state } from "./state.js";
import { words } from "./words.js";

// Let `cell`, which shows array.data[at] of layer `index`, be changed: Enter or a double click opens a
// field, Enter takes what is typed, Escape leaves it. `name` says what it is. Where the cell is made
// anew after the change, the caller gives it the focus back; where it stays, the caller calls the
// function that this returns, which marks whether the number is the model's own.
export function makeEditable(cell, index, array, at, name) {
  const w = words(state.language);
  cell.setAttribute("role", "button");
  cell.title = `${name}. ${w.edit_hint}`;
  cell.classList.add("editable");
  const markChanged = () => cell.classList.toggle("changed", isChanged(array, at));
  if (!cell.hasAttribute("tabindex")) cell.tabIndex = 0;
  const open = () => cell.querySelector("input") ?? openField(cell, array.data[at], name, (number) => {
    changeParameter(index, array, at, number);
    state.announce(`${name}: ${shortest(number)}`);
  });
  cell.addEventListener("dblclick", open);
  cell.addEventListener("keydown", (event) => {
    if (event.target !== cell || event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    open();
  });
  markChanged();
  return markChanged;
}

// Whether a field is open in there: then nothing may be built anew.
export function isEditing(element) {
  return element.querySelector(".editable input") !== null;
}

function openField(cell, number, name, take) {
  const w = words(state.language);
  const shown = [...cell.childNodes];
  const box = cell.closest("[data-edits]");
  const refusal = make("p", { class: "refused", role: "alert" });
  const field = make("input", { type: "text", inputmode: "decimal", autocomplete: "off", "aria-label": name,
    value: shortest(number) });
  let open = true;
  const close = (focus) => {
    if (!open) return;
    open = false;
    cell.replaceChildren(...shown);
    refusal.remove();
    if (focus) cell.focus();
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation(); // arrows, Enter and Escape mean something else outside
    if (event.key === "Escape") close(true);
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    const typed = numberIn(field.value);
    field.setAttribute("aria-invalid", String(typed === null));
    if (typed === null) {
      refusal.textContent = w.not_finite;
      box.append(refusal);
      return;
    }
    close(true);
    if (!Object.is(typed, number)) take(typed);
  });
  field.addEventListener("blur", () => close(false));
  cell.replaceChildren(field);
  field.select();
}

// The float32 number that a text says, or null. Parameters are float32.
function numberIn(text) {
  const plain = text.normalize("NFKC").trim().replaceAll("\u2212", "-"); // digits of full width, too
  const number = plain === "" ? NaN : Math.fround(Number(plain));
  return Number.isFinite(number) ? number : null;
}

// As few digits as say a float32 number.
function shortest(number) {
  for (let digits = 1; digits < 9; digits++) {
    const text = String(Number(number.toPrecision(digits)));
    if (Math.fround(Number(text)) === number) return text;
  }
  return String(number);
}
