// The exercise: parse and check an answer.

// Parse a number, with full-width digits of a Japanese keyboard; else NaN.
export function readNumber(text) {
  const plain = text.normalize("NFKC").trim().replace(/[−ー–]/g, "-");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

// "empty", "right", "wrong" or "no_number". An answer is right if it equals the number (up to float64
// rounding), or the number rounded to two or more decimals, such as 0.33 for a third.
export function judged(answer, right) {
  if (answer.trim() === "") return "empty";
  const number = readNumber(answer);
  if (!Number.isFinite(number)) return "no_number";
  const off = Math.abs(number - right);
  const own = 1e-9 * Math.max(1, Math.abs(right));
  if (off <= own) return "right";
  const decimals = /\.(\d*)$/.exec(answer.normalize("NFKC").trim())?.[1].length ?? 0;
  return decimals >= 2 && off <= 0.5 * 10 ** -decimals + own ? "right" : "wrong";
}

// The progress of an exercise: how many answers match `rights`, the right numbers by unit.
export function tally(answers, rights) {
  const marks = rights.map((right, unit) => judged(answers[unit]?.text ?? "", right));
  const shown = rights.filter((_, unit) => answers[unit]?.shown).length;
  return { right: marks.filter((mark) => mark === "right").length, shown, all: rights.length };
}
