// The page's address follows what is shown.

import { hashOf, state } from "./state.js";

const REST = 400; // ms between two changes: browsers take only so many, fewer than a pointer makes

let addressed = -Infinity; // when it was changed last
let addressing = null; // the timer of the next change

// Write the address of what is shown, now or soon.
export function keepAddress() {
  // A page inside a frame of its own (a notebook) has no address to change.
  if (location.protocol === "about:" || addressing !== null) return;
  const before = location.hash;
  const write = () => {
    addressing = null;
    const hash = hashOf(state);
    // Where somebody has written another one meanwhile, that will be read.
    if (location.hash !== before || hash === before) return;
    addressed = performance.now();
    history.replaceState(null, "", hash);
  };
  const rest = addressed + REST - performance.now();
  if (rest > 0) addressing = setTimeout(write, rest);
  else write();
}

// Somebody has written another one: what would be written is no longer shown.
export function forgetAddress() {
  clearTimeout(addressing);
  addressing = null;
}
