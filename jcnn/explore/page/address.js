// Keep the address of the page in step with the state.

import { hashOf, state } from "./state.js";

// Browsers limit address changes (Safari: 100 in 30 s), and a pointer makes more: allow AT_ONCE
// immediately, then one every REST milliseconds.
const AT_ONCE = 20;
const REST = 400;

let left = AT_ONCE; // changes that may be written immediately
let counted = 0; // time of that count
let addressing = null; // the timer of the next change

// Write the address of the state, now or after a delay.
export function keepAddress() {
  // A page in a sandboxed frame (a notebook) has no address to change.
  if (location.protocol === "about:" || addressing !== null) return;
  const before = location.hash;
  const write = () => {
    addressing = null;
    const hash = hashOf(state);
    // If the user has changed the address meanwhile, theirs is read instead.
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

// The user has changed the address: drop the pending change.
export function forgetAddress() {
  clearTimeout(addressing);
  addressing = null;
}
