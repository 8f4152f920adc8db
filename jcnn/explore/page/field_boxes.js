// Unions of boxes {rows, columns, channels, reach}, whose first three are ascending lists of indices.

const AXES = ["rows", "columns", "channels"];

// Fewer boxes with the same union.
export function withoutRepeats(boxes) {
  const kept = [];
  for (let box of boxes) {
    for (let i = 0; i < kept.length; i++) {
      const both = joinedBox(kept[i], box);
      if (both === null) continue;
      box = both;
      kept.splice(i, 1);
      i = -1; // the larger box may contain others
    }
    kept.push(box);
  }
  return kept;
}

// One box for two, where one contains the other or they differ in one axis; else null.
function joinedBox(a, b) {
  const reach = joinedReach([a, b]);
  const within = (c, d) => AXES.every((axis) => isSubset(c[axis], d[axis]));
  if (isEmptyBox(b) || within(b, a)) return { ...a, reach };
  if (isEmptyBox(a) || within(a, b)) return { ...b, reach };
  const other = AXES.filter((axis) => !sameList(a[axis], b[axis]));
  if (other.length > 1) return null;
  return { ...a, [other[0]]: unionOf([a[other[0]], b[other[0]]]), reach };
}

// The union as one object: rows, columns and channels that occur in it, reach of all boxes, the
// number of `pixels` and of `numbers` in it, and `bands`: [{rows: [first, length], columns}], which
// contain its pixels, each once.
export function fieldOfBoxes(boxes) {
  const filled = boxes.filter((box) => !isEmptyBox(box));
  const [rows, columns, channels] = AXES.map((axis) => unionOf(filled.map((box) => box[axis])));
  const bands = bandsOf(filled, rows);
  const pixels = bands.reduce((sum, band) => sum + band.rows[1] * band.columns.length, 0);
  return { rows, columns, channels, reach: joinedReach(boxes), bands, pixels, numbers: numbersIn(filled) };
}

// Whether a field has gaps, as with dilation.
export function hasGaps({ rows, columns, pixels }) {
  return pixels > 0 && pixels < (rows.at(-1) - rows[0] + 1) * (columns.at(-1) - columns[0] + 1);
}

// Whether the field is clipped at the edge of the picture.
export function isCut({ rows, columns, reach, pixels }) {
  if (reach === null || pixels === 0) return false;
  return [rows, columns].some((axis, i) => reach[i][0] < axis[0] || reach[i][1] > axis.at(-1));
}

// Runs of consecutive indices as [first, length].
export function runsOf(numbers) {
  const runs = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last && last[0] + last[1] === number) last[1]++;
    else runs.push([number, 1]);
  }
  return runs;
}

// Neighbouring rows with the same columns are one band.
function bandsOf(boxes, rows) {
  const bands = [];
  let key = null;
  const sets = boxes.map((box) => new Set(box.rows));
  for (const row of rows) {
    const inRow = boxes.filter((_, i) => sets[i].has(row));
    const here = inRow.map((box) => boxes.indexOf(box)).join();
    const last = bands.at(-1);
    if (here === key && last.rows[0] + last.rows[1] === row) last.rows[1]++;
    else bands.push({ rows: [row, 1], columns: unionOf(inRow.map((box) => box.columns)) });
    key = here;
  }
  return bands;
}

// Each axis is divided into classes of indices that lie in the same boxes.
function numbersIn(boxes) {
  const classes = AXES.map((axis) => {
    const found = new Map();
    const sets = boxes.map((box) => new Set(box[axis]));
    for (const at of unionOf(boxes.map((box) => box[axis]))) {
      const mask = sets.reduce((bits, set, i) => (set.has(at) ? bits | (1n << BigInt(i)) : bits), 0n);
      found.set(mask, (found.get(mask) ?? 0) + 1);
    }
    return [...found];
  });
  let count = 0;
  for (const [r, high] of classes[0]) for (const [c, wide] of classes[1]) for (const [k, deep] of classes[2]) {
    if (r & c & k) count += high * wide * deep;
  }
  return count;
}

function isEmptyBox(box) {
  return AXES.some((axis) => box[axis].length === 0);
}

function joinedReach(boxes) {
  if (boxes.some(({ reach }) => reach === null)) return null;
  return [0, 1].map((axis) => [
    Math.min(...boxes.map(({ reach }) => reach[axis][0])), Math.max(...boxes.map(({ reach }) => reach[axis][1]))]);
}

function isSubset(part, whole) {
  if (part.length > whole.length) return false;
  let at = 0;
  for (const value of part) {
    while (at < whole.length && whole[at] < value) at++;
    if (whole[at] !== value) return false;
  }
  return true;
}

function sameList(a, b) {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

function unionOf(lists) {
  if (lists.length === 1) return lists[0];
  return [...new Set(lists.flat())].sort((a, b) => a - b);
}
