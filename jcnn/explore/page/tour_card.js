// The card of the tour: caption and task of a stop, the glossary, buttons to go on.

import { make } from "./dom.js";
import { GLOSSARY } from "./glossary_words.js";
import { state } from "./state.js";
import { captionOf, fillFacts, titleOfStop, wordsOfStop } from "./tour_text.js";
import { tourWords } from "./tour_words.js";
import { fillIn } from "./words.js";

// Fill an empty element. `actions` are {go(number), close(), fold()}. Returns {show}, which updates it
// from {stops, number, kind, facts, hasTask, hint, isDone}; `hint` is the number of hints shown.
export function makeCardOfTour(panel, actions) {
  const button = (name, press) => make("button", { type: "button", "data-tour": name, onclick: press });
  const list = make("select", { "data-tour": "stops", onchange: () => actions.go(Number(list.value)) });
  const place = make("span", { class: "tour-place" });
  const bar = make("div", { class: "tour-bar", "aria-hidden": "true" }, make("span"));
  const title = make("h2", { tabindex: -1 });
  const text = make("div", { class: "tour-text" });
  const meaning = make("div", { class: "tour-meaning", role: "note", hidden: true });
  const words = make("dl", { class: "tour-glossary", hidden: true, tabindex: 0 });
  const [back, next, fold, close, glossary] = [
    button("back", () => actions.go(at - 1)), button("next", () => actions.go(at + 1)), button("fold", actions.fold),
    button("close", actions.close), button("glossary", () => openGlossary(words.hidden)),
  ];
  panel.append(make("header", {}, list, place, fold, close), bar, title, text, meaning, words,
    make("footer", {}, back, next, glossary));
  let at = 0;
  let built = null; // what the text was made for

  // The meaning of a term, below the caption; a second press removes it.
  function explain(term) {
    const [name, said] = GLOSSARY[state.language][term];
    meaning.hidden = !meaning.hidden && meaning.dataset.term === term;
    meaning.dataset.term = term;
    meaning.replaceChildren(make("b", {}, name), ` ${said}`);
    state.announce(meaning.hidden ? "" : `${name}: ${said}`);
  }

  function openGlossary(open) {
    words.hidden = !open;
    text.hidden = open;
    meaning.hidden = true;
    glossary.setAttribute("aria-expanded", String(open));
    if (open) words.replaceChildren(...Object.values(GLOSSARY[state.language]).flatMap(([name, said]) => [make("dt", {}, name), make("dd", {}, said)]));
  }

  function build(stop, said, hasTask) {
    const labels = tourWords[state.language];
    const part = (name, ...rest) => make("section", { class: `tour-${name}` }, make("h3", {}, labels[name]), captionOf(said[name], explain), rest);
    text.replaceChildren(part("seen"), part("why"));
    if (hasTask) {
      text.append(part("task", said.hints.map((hint) => captionOf(`${labels.hint}: ${hint}`, explain, { class: "tour-hint", hidden: true })),
        captionOf(`✓ ${said.done}`, explain, { class: "tour-done", hidden: true })));
    }
    panel.setAttribute("aria-label", labels.tour);
    Object.entries({ back, next, glossary }).forEach(([name, one]) => { one.textContent = labels[name]; });
    list.setAttribute("aria-label", labels.stops);
    fold.title = fold.ariaLabel = labels.fold;
    fold.textContent = "–";
    close.title = close.ariaLabel = labels.close;
    close.textContent = "×";
    title.textContent = said.title;
    openGlossary(false);
  }

  function show({ stops, number, kind, facts, hasTask, hint, isDone }) {
    at = number;
    const stop = stops[number - 1];
    const said = wordsOfStop(stop, state.language, kind);
    const key = [stop.id, state.language, kind, hasTask].join();
    if (key !== built) build(stop, said, hasTask);
    if (key !== built || list.children.length !== stops.length) {
      list.replaceChildren(...stops.map((one, i) => make("option", { value: i + 1, selected: one === stop },
        `${i + 1}. ${one === stop ? said.title : titleOfStop(one, state.language)}`)));
    }
    built = key;
    panel.dataset.stop = stop.id;
    panel.dataset.selected = state.selected ? `${state.selected.layer}/${state.selected.unit}` : "";
    place.textContent = fillIn(tourWords[state.language].place, { at: number, all: stops.length });
    bar.firstChild.style.width = `${(100 * number) / stops.length}%`;
    back.disabled = number === 1;
    next.disabled = number === stops.length;
    fillFacts(text, facts, state.exact);
    text.querySelectorAll(".tour-hint").forEach((one, i) => { one.hidden = isDone || i !== hint - 1; });
    const done = text.querySelector(".tour-done");
    if (done) done.hidden = !isDone;
    text.querySelector(".tour-task")?.classList.toggle("is-done", isDone);
  }
  return { show, title };
}
