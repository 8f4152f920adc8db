// The sizes of the overview's columns, such that the whole network stands in the window.

const MAP_GAP = 8; // pixels between maps
const EDGES_SHARE = 0.34; // share of a column's width that its edges take, at least
const MOST_SIDE = 92; // side of a map in pixels
const LEAST_SIDE = 16;
const FEWEST_DOWN = 6; // maps of a column
const MOST_DOWN = 12;
const PHONE = 600; // a window so narrow is scrolled sideways, with maps that a finger can point at
const FINGER = 68;
const SCORES_WIDE = 150; // width of the column of classes
const OPENED_SHARE = 0.67; // of the width, for the panel of an opened unit
const LARGE_SHARE = 0.75;
const ENOUGH_OPENED = 830;
const FEW_WIDE = 50; // width of a column of few
const MOST_OPENED = 1080;
const NARROW = 900;
const LOW = 560;

// The most maps that a column shows below each other, unless all are asked for: those that fit.
export function mapsDown(height) {
  return Math.max(FEWEST_DOWN, Math.min(MOST_DOWN, Math.floor(height / 44)));
}

// The width of the panel of an opened unit, which the network steps aside for, further where type is
// large or columns are few; 0 where there is none for both, so that the panel lies over the lower part of
// the window.
export function openedWidth(width, height, columns, isLarge) {
  if (width < NARROW || height < LOW) return 0;
  const share = width * (isLarge ? LARGE_SHARE : OPENED_SHARE);
  const left = width - SCORES_WIDE - (columns - 1) * FEW_WIDE;
  return Math.round(Math.min(MOST_OPENED, Math.max(share, Math.min(ENOUGH_OPENED, left))));
}

// The width of the columns between the picture and the classes, of the classes, and the longest side
// of a map, in pixels.
//   columns: {form, count}; `count` maps are one below the other, and bars are the classes
//   width: of the window, of which `aside` pixels are for the panel
export function layoutOf(columns, window, aside, height) {
  const width = window - aside;
  const lists = columns.filter(({ form }) => form === "bars").length;
  const others = columns.length - lists;
  const scores = lists === 0 ? 0 : Math.min(SCORES_WIDE, (width * 0.4) / lists);
  const least = window < PHONE ? FINGER : LEAST_SIDE * (aside > 0 ? 1.1 : 1.5);
  const wide = Math.max(least, (width - lists * scores) / Math.max(1, others));
  const most = Math.max(1, ...columns.filter(({ form }) => form === "maps").map(({ count }) => count));
  const side = Math.min(MOST_SIDE, height / most - MAP_GAP, wide * (1 - EDGES_SHARE));
  return { wide: Math.floor(wide), scores: Math.floor(scores), side: Math.max(LEAST_SIDE, Math.floor(side)) };
}
