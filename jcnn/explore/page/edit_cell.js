// Edit a number in place.

import { changeParameter, isChanged } from "./edits.js";
import { make } from "./dom.js";
import { state } from "./state.js";
import { words } from "./words.js";

// Make `cell`, which shows array.data[at] of layer `index`, editable: Enter or a double click opens a
// field, Enter accepts the input, Escape cancels. `name` is its label. If the cell is rebuilt after
// the change, the caller restores the focus; if not, the caller calls the returned function, which
// marks whether the number differs from the model's.
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

// Whether a field is open inside, in which case it must not be rebuilt.
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
    event.stopPropagation(); // arrows, Enter and Escape have other meanings outside
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

// Parse a float32 number, or null. Parameters are float32.
function numberIn(text) {
  const plain = text.normalize("NFKC").trim().replaceAll("\u2212", "-"); // accept full-width digits
  const number = plain === "" ? NaN : Math.fround(Number(plain));
  return Number.isFinite(number) ? number : null;
}

// The shortest text that identifies a float32 number.
function shortest(number) {
  for (let digits = 1; digits < 9; digits++) {
    const text = String(Number(number.toPrecision(digits)));
    if (Math.fround(Number(text)) === number) return text;
  }
  return String(number);
}
