// What a presenter's keys go through where there is no tour: the positions of the playground, or the
// pictures.

import { wanted } from "./passes.js";
import { choosePicture } from "./pictures.js";
import { state } from "./state.js";

export function turnPage(by) {
  if (state.view === "playground") {
    const button = document.querySelector(`.pg-walk [name="${by > 0 ? "step" : "back"}"]`);
    button?.click();
    return true;
  }
  const { picture, own } = wanted();
  const next = (picture ?? own.from) + by;
  if (next >= 0 && next < state.network.pictures.length) choosePicture(next);
  return true;
}
