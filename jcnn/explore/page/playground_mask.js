// The dropout mask that `jcnn.ops.dropout` draws for `jax.random.key(seed)`.

import { halfToEven } from "./preprocess.js";

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];
const MASK_STEPS = 65536; // the mask takes 16 random bits a number

// {mask, scale}: 1 for each kept number, 0 for a dropped one, and the factor of the kept ones.
export function seededMask(count, rate, seed) {
  const kept = Math.max(MASK_STEPS - halfToEven(rate * MASK_STEPS), 1);
  const mask = Uint8Array.from({ length: count }, (_, index) =>
    kept === MASK_STEPS || (threefry(0, seed, index) & 0xffff) < kept ? 1 : 0,
  );
  return { mask, scale: MASK_STEPS / kept };
}

// Threefry-2x32 with 20 rounds of the counters (0, counter), the xor of its two words (Salmon,
// Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011).
function threefry(high, low, counter) {
  const keys = [high >>> 0, low >>> 0, (high ^ low ^ 0x1bd11bda) >>> 0];
  let first = keys[0];
  let second = (counter + keys[1]) >>> 0;
  for (let group = 0; group < 5; group++) {
    for (const rotation of ROTATIONS[group % 2]) {
      first = (first + second) >>> 0;
      second = (first ^ ((second << rotation) | (second >>> (32 - rotation)))) >>> 0;
    }
    first = (first + keys[(group + 1) % 3]) >>> 0;
    second = (second + keys[(group + 2) % 3] + group + 1) >>> 0;
  }
  return (first ^ second) >>> 0;
}
