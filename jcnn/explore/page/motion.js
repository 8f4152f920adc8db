// Movement: what is arranged anew glides from where it was to where it is. Readers who asked their
// system for less motion see the new arrangement at once.

const GLIDE = 350; // milliseconds
const GLIDE_EASE = "cubic-bezier(.3, 0, .2, 1)";

export function isCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// Let elements glide to where they are now: `moves` are [element, rectangle where it was]. `done` is called
// when they have arrived.
export function glide(moves, done) {
  if (isCalm()) return;
  const steps = moves.map(([element, from]) => [element, offset(from, element.getBoundingClientRect())]);
  const moving = steps.filter(([, start]) => start).map(([element, start]) =>
    element.animate([{ transform: start, transformOrigin: "0 0" }, { transform: "none", transformOrigin: "0 0" }], { duration: GLIDE, easing: GLIDE_EASE }));
  if (moving.length > 0) Promise.allSettled(moving.map(({ finished }) => finished)).then(done);
}

export function appear(element) {
  if (!isCalm()) element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: GLIDE, easing: "ease-out" });
}

function offset(from, to) {
  if (to.width === 0 || from.width === 0) return null;
  const [x, y, wide, high] = [from.x - to.x, from.y - to.y, from.width / to.width, from.height / to.height];
  const still = Math.abs(x) < 0.5 && Math.abs(y) < 0.5 && Math.abs(wide - 1) < 0.01;
  return still ? null : `translate(${x}px, ${y}px) scale(${wide}, ${high})`;
}
