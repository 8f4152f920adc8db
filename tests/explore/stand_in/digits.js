// STAND-IN, to be deleted when the page has its own digits.js: numbers with at most three decimals.

import { make } from "./dom.js";

const rounded = (value) => String(Number(value.toFixed(3)));

export function written(value, exact) {
  return (exact ? String(value) : rounded(value)).replace("-", "\u2212");
}

export function numeral(value, exact) {
  return setNumeral(make("span"), value, exact);
}

export function setNumeral(element, value, exact) {
  element.dataset.value = String(value);
  element.textContent = written(value, exact);
  return element;
}

export function equalsSign(parts, total) {
  return parts.map(rounded).reduce((a, b) => a + Number(b), 0) === Number(rounded(total)) ? "=" : "≈";
}
