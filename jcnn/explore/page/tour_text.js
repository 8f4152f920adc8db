// The words of a stop as elements: numbers and names filled in, terms linked to the glossary.

import { setNumeral } from "./digits.js";
import { make } from "./dom.js";
import { STOPS_EN } from "./tour_words_en.js";
import { STOPS_JA } from "./tour_words_ja.js";

const CAPTIONS = { en: STOPS_EN, ja: STOPS_JA };

// The words of a stop, with those for its kind of layer.
export function wordsOfStop(stop, language, kind) {
  const { of, ...same } = CAPTIONS[language][stop.id];
  return { ...same, ...of?.[kind] };
}

// A paragraph from a text; `explain(term)` is called for a link. `fillFacts` fills in the gaps.
export function captionOf(text, explain, attributes = {}) {
  const parts = text.split(/(\{\w+\}|\[[^\]]+\]\(\w+\))/).map((part) => {
    const gap = /^\{(\w+)\}$/.exec(part);
    if (gap) return make("span", { "data-fact": gap[1] });
    const link = /^\[([^\]]+)\]\((\w+)\)$/.exec(part);
    if (!link) return part;
    return make("button", { type: "button", class: "term", "data-term": link[2], onclick: () => explain(link[2]) }, link[1]);
  });
  return make("p", attributes, parts);
}

// Write the facts {name: number or text} into the gaps of an element.
export function fillFacts(element, facts, exact) {
  for (const gap of element.querySelectorAll("[data-fact]")) {
    const value = facts[gap.dataset.fact];
    if (Number.isInteger(value)) {
      gap.dataset.value = String(value);
      gap.textContent = value.toLocaleString("en").replace("-", "\u2212");
      gap.className = "numeral";
    } else if (typeof value === "number") setNumeral(gap, value, exact);
    else gap.textContent = value;
  }
}

// The title of a stop where the kind of its layer is not known.
export function titleOfStop(stop, language) {
  const { title, of } = CAPTIONS[language][stop.id];
  return title ?? Object.values(of)[0].title;
}
