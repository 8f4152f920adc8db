// Lines such as "0.5 × 0.25 = 0.125", with the numbers in them.

import { numeral, isRounded } from "./digits.js";
import { make } from "./dom.js";

// Stands among an equation's parts where "=" or "≈" is to be.
export const EQUALS = Symbol("equals");

// A line from strings, elements, numbers and EQUALS. It is "=" where all digits of every number
// are written: the short forms are whole, or `copied` says that nothing is computed, only chosen,
// and the switch for all digits is on. Else it is "≈": float64 rounds after its last digit, too.
export function equation(state, parts, copied = false) {
  const rounded = parts.some((part) => typeof part === "number" && isRounded(part));
  const sign = !rounded || (copied && state.exact) ? " = " : " ≈ ";
  const written = parts.map((part) => {
    if (part === EQUALS) return make("span", { class: "relation" }, sign);
    return typeof part === "number" ? numeral(part, state.exact) : part;
  });
  return make("p", { class: "unit-equation" }, written);
}

// A negative number in a sum or product is put in brackets.
export function bracketed(number) {
  return number < 0 ? ["(", number, ")"] : [number];
}

// Parts of "a + b + c".
export function sumParts(numbers) {
  return numbers.flatMap((number, at) => (at ? [" + ", ...bracketed(number)] : [number]));
}
