// The confusion matrix of an epoch as a table: rows are labels, columns predictions.

import { colourOf, inkOn } from "./colour.js";
import { make } from "./dom.js";
import { epochWords } from "./epochs_words.js";
import { fillIn } from "./words.js";

const WITH_NUMBERS = 12; // classes, at most
const WITH_TABLE = 40;

// {element, mark(place)}: `place` is the index of the epoch among those of the page.
export function confusionTable(state) {
  const { network: { classes, epochs }, language } = state;
  const words = epochWords[language];
  const { count, of, confusion } = epochs.test;
  if (classes.length > WITH_TABLE) {
    return { element: make("p", { class: "epoch-note" }, fillIn(words.confusionMany, { classes: classes.length })), mark: () => {} };
  }
  const many = classes.length > WITH_NUMBERS;
  const short = (name) => (many ? "" : name.length > 3 ? `${name.slice(0, 2)}…` : name);
  const cells = classes.map(() => classes.map(() => make("td")));
  const title = fillIn(count < of ? words.confusionTitleSome : words.confusionTitle,
    { count: count.toLocaleString("en"), all: of.toLocaleString("en") });
  const element = make("section", { class: `epoch-part confusion${many ? " many" : ""}` },
    make("table", {}, make("caption", {}, title),
      make("thead", {}, make("tr", {}, make("td"), classes.map((name) => make("th", { scope: "col", title: name }, short(name))))),
      make("tbody", {}, cells.map((row, i) => make("tr", {},
        make("th", { scope: "row", title: classes[i] }, short(classes[i])), row)))));
  return {
    element,
    mark(place) {
      for (const [i, row] of cells.entries()) {
        const counts = confusion[place][i];
        const total = counts.reduce((a, b) => a + b, 0);
        for (const [j, cell] of row.entries()) {
          // Right predictions in one colour, wrong ones in the other; shares of the row.
          const colour = colourOf(i === j ? -counts[j] : counts[j], total);
          cell.textContent = counts[j] > 0 && !many ? counts[j] : "";
          cell.dataset.count = counts[j];
          cell.title = fillIn(words.confusionCell, { count: counts[j], label: classes[i], predicted: classes[j] });
          Object.assign(cell.style, { backgroundColor: `rgb(${colour.join(" ")})`, color: inkOn(colour) });
        }
      }
    },
  };
}
