// The pace of a walk over the positions of a map: slow at first, then faster and faster, so that a map
// of any size takes about ten seconds.

const SLOW = 600; // milliseconds at each of the first positions
const FIRST = 4; // slow positions
const WHOLE = 10_000; // milliseconds of a walk

// The number of moves made `elapsed` milliseconds after the start of a walk of `count` moves.
export function movesAfter(elapsed, count) {
  const slow = Math.floor(elapsed / SLOW);
  const start = FIRST * SLOW;
  if (count * SLOW <= WHOLE || elapsed <= start) return Math.min(count, slow);
  const share = Math.min(1, (elapsed - start) / (WHOLE - start));
  const left = count - FIRST;
  // At first as fast as the slow positions, then quadratic.
  const steady = (WHOLE - start) / SLOW;
  return FIRST + Math.min(left, Math.floor(steady * share + (left - steady) * share ** 2));
}
