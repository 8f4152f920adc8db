// Equations such as "0.5 × 0.25 = 0.125".

import { numeral, isRounded } from "./digits.js";
import { make } from "./dom.js";

// The placeholder for "=" or "≈" in an equation.
export const EQUALS = Symbol("equals");

// An equation from strings, elements, numbers and EQUALS. EQUALS becomes "=" if every short form is
// exact, or if `copied` (a value is selected, not computed) and all digits are shown. Else it
// becomes "≈", because float64 rounds too.
export function equation(state, parts, copied = false) {
  const rounded = parts.some((part) => typeof part === "number" && isRounded(part));
  const sign = !rounded || (copied && state.exact) ? " = " : " ≈ ";
  const written = parts.map((part) => {
    if (part === EQUALS) return make("span", { class: "relation" }, sign);
    return typeof part === "number" ? numeral(part, state.exact) : part;
  });
  return make("p", { class: "unit-equation" }, written);
}

// Put a negative number in a sum or product in brackets.
export function bracketed(number) {
  return number < 0 ? ["(", number, ")"] : [number];
}

// Parts of "a + b + c".
export function sumParts(numbers) {
  return numbers.flatMap((number, at) => (at ? [" + ", ...bracketed(number)] : [number]));
}
