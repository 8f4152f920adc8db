// Format numbers, short or exact, and check whether the written numbers add up.

import { make } from "./dom.js";

const MINUS = "\u2212";

// Short form of a number; integers and short decimals are exact.
export function shown(value) {
  return pretty(short(value));
}

// Whether the short form is rounded.
export function isRounded(value) {
  return Number(short(value)) !== value && !Number.isNaN(value);
}

// A number as text, with all digits or in short form.
export function written(value, exact) {
  return pretty(exact ? String(value) : short(value));
}

// <span data-value="FULL">SHORT</span>; the style sheet puts "≈" before rounded numbers.
export function numeral(value, exact) {
  return setNumeral(make("span"), value, exact);
}

// The same for an existing element.
export function setNumeral(element, value, exact) {
  element.dataset.value = String(value);
  element.textContent = written(value, exact);
  element.classList.add("numeral");
  element.classList.toggle("rounded", !exact && isRounded(value));
  return element;
}

// "=" where the written parts add up to the written total, digit by digit; else "≈".
export function equalsSign(parts, total, exact) {
  const digits = (value) => (exact ? String(value) : short(value));
  if (![...parts, total].every(Number.isFinite)) return "\u2248";
  const decimals = [...parts, total].map((value) => decimal(digits(value)));
  const places = Math.max(...decimals.map((d) => d.places));
  const whole = decimals.map((d) => d.whole * 10n ** BigInt(places - d.places));
  const sum = whole.slice(0, -1).reduce((a, b) => a + b, 0n);
  return sum === whole.at(-1) ? "=" : "\u2248";
}

function short(value) {
  const full = String(value);
  if (!Number.isFinite(value) || full.replace("-", "").length <= 5) return full;
  const size = Math.abs(value);
  if (size >= 1e5) return value.toExponential(2);
  if (size < 5e-4) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

function pretty(text) {
  return text.replaceAll("-", MINUS);
}

// "-1.25e-3" is the whole number -125 with 5 places after the point.
function decimal(text) {
  const [mantissa, exponent = "0"] = text.split("e");
  const [before, after = ""] = mantissa.split(".");
  const places = after.length - Number(exponent);
  const whole = BigInt(before + after);
  return places >= 0 ? { whole, places } : { whole: whole * 10n ** BigInt(-places), places: 0 };
}
