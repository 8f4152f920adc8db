// The page's address follows what is shown.

import { hashOf, state } from "./state.js";

// Browsers take only so many changes (Safari 100 in 30 s), fewer than a pointer makes: some at once,
// then one in REST milliseconds.
const AT_ONCE = 20;
const REST = 400;

let left = AT_ONCE; // how many may be written at once
let counted = 0; // when that was true
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
    left--;
    history.replaceState(null, "", hash);
  };
  const now = performance.now();
  left = Math.min(AT_ONCE, left + (now - counted) / REST);
  counted = now;
  if (left >= 1) write();
  else addressing = setTimeout(write, REST);
}

// Somebody has written another one: what would be written is no longer shown.
export function forgetAddress() {
  clearTimeout(addressing);
  addressing = null;
}
