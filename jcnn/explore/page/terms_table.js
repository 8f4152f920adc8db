// A table of products with their sum: sorted, paged, and with the sum of those not shown.

import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { EQUALS, equation, sumParts } from "./equation.js";
import { change } from "./state.js";
import { choiceButton, stepButton, viewBar, viewTable } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

const TERMS_A_PAGE = 20;

// `terms` are those of termsOf, in order; `heads` and `describe(index)` give the columns for the
// origin of a term; `bias` is null if there is none. `edit.weight(element, index)` and
// `edit.bias(element)` make numbers editable. termOrder ("size" or "order") and termPage in the state
// select the terms shown.
export function termsTable(state, { terms, bias, result }, heads, describe, edit = null) {
  const biases = bias === null ? [] : [bias];
  const text = viewWords[state.language];
  const order = termOrder(terms, state.termOrder ?? "size");
  const pages = Math.ceil(terms.length / TERMS_A_PAGE);
  const page = Math.min(state.termPage ?? 0, pages - 1);
  const onPage = order.slice(page * TERMS_A_PAGE, (page + 1) * TERMS_A_PAGE);
  const shownSum = sumOf(onPage, terms);
  const others = order.filter((_, at) => Math.floor(at / TERMS_A_PAGE) !== page);
  const othersSum = sumOf(others, terms);
  const largest = terms.reduce((most, term) => Math.max(most, Math.abs(term.product)), 0);
  const rows = onPage.map((index) => {
    const { value, weight, product } = terms[index];
    const numbers = [value, weight, product].map((number) => numeral(number, state.exact));
    numbers[1].dataset.key = `weight-${index}`;
    edit?.weight(numbers[1], index);
    return [...describe(index), ...numbers, viewBar(product, largest)];
  });
  const parts = [shownSum, ...(pages > 1 ? [othersSum] : []), ...biases];
  const sums = [
    [fillIn(text.termsShownSum, { count: onPage.length }), shownSum, "shown"],
    ...(pages > 1 ? [[fillIn(text.termsOthersSum, { count: others.length }), othersSum, "others"]] : []),
    ...biases.map((number) => [text.termsBias, number, "bias"]),
    [text.termsTotal, result, "total"],
  ].map(([name, number, role]) => {
    const shown = numeral(number, state.exact);
    shown.dataset.key = role;
    if (role === "bias") edit?.bias(shown);
    return [make("dt", {}, name), make("dd", { "data-role": role }, shown)];
  });
  return make("div", { class: "terms", "data-edits": "" },
    termControls(state, text, page, pages, terms),
    viewTable([...heads, text.termsValue, text.termsWeight, text.termsProduct, ""], rows),
    make("dl", { class: "term-sums" }, sums),
    ...(parts.length > 1 ? [equation(state, [...sumParts(parts), EQUALS, result])] : []));
}

function termControls(state, text, page, pages, terms) {
  const bySize = (state.termOrder ?? "size") === "size";
  const zeros = terms.filter((term) => term.product === 0).length;
  const turn = (to) => () => change({ termPage: to });
  const sort = (termOrder) => () => change({ termOrder, termPage: 0 });
  const sorted = [["size", text.termsBySize, bySize], ["order", text.termsInOrder, !bySize]];
  return make("div", { class: "view-controls" },
    make("span", { class: "view-group", role: "group", "aria-label": text.termsSort },
      sorted.map(([name, label, pressed]) =>
        choiceButton(label, `sort-${name}`, sort(name), pressed))),
    make("span", { class: "view-group", hidden: pages === 1 },
      stepButton(text.termsFirst, "page-first", turn(0), page > 0),
      stepButton(text.termsBack, "page-back", turn(page - 1), page > 0),
      make("span", { class: "view-page" }, fillIn(text.termsPage, {
        first: page * TERMS_A_PAGE + 1,
        last: Math.min((page + 1) * TERMS_A_PAGE, terms.length),
        all: terms.length,
      })),
      stepButton(text.termsNext, "page-next", turn(page + 1), page + 1 < pages),
      stepButton(text.termsLast, "page-last", turn(pages - 1), page + 1 < pages)),
    make("span", { class: "view-note" }, fillIn(text.termsZeros, { zeros, all: terms.length })));
}

// The indices of the terms by descending magnitude of the product (stable), or in order.
function termOrder(terms, order) {
  const indices = terms.map((_, index) => index);
  if (order === "order") return indices;
  return indices.sort(
    (a, b) => Math.abs(terms[b].product) - Math.abs(terms[a].product) || a - b,
  );
}

function sumOf(indices, terms) {
  return indices.reduce((sum, index) => sum + terms[index].product, 0);
}
