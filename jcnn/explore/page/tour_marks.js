// What a stop talks about is outlined, and scrolled to if nothing of it is in sight.

import { isCalm } from "./motion.js";
import { stageByOutput, stagesOf } from "./stages.js";

const MARK = "tour-mark";

// Outline the columns of layers (-1 is the picture) and the elements of selectors; returns those shown.
export function markAll(marks, state) {
  for (const old of document.querySelectorAll(`.${MARK}`)) old.classList.remove(MARK);
  const found = marks.flatMap((mark) => [...document.querySelectorAll(typeof mark === "number" ? columnOf(mark, state) : mark)])
    .filter((element) => element.checkVisibility());
  for (const element of found) element.classList.add(MARK);
  return found;
}

// The selector of the column that draws a layer.
function columnOf(layer, { network, split }) {
  const stage = stageByOutput(stagesOf(network, split), network)[layer + 1];
  return `.column[data-layer="${stage.shown - 1}"]`;
}

// Scroll to the first of the elements, unless one of them is in sight beside or above the card.
export function bringInSight(found, card) {
  if (found.length === 0) return;
  const { left, top } = card.getBoundingClientRect();
  const [right, bottom] = left > 0 ? [left, innerHeight] : [innerWidth, top];
  const seen = found.some((element) => {
    const box = element.getBoundingClientRect();
    return box.left < right - 20 && box.right > 20 && box.top < bottom - 20 && box.bottom > 20;
  });
  if (seen) return;
  found[0].scrollIntoView({ block: "nearest", inline: "nearest", behavior: isCalm() ? "auto" : "smooth" });
}
