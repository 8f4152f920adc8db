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
const SCORES_LEAST = 88; // beside an opened unit
const OPENED_SHARE = 0.67; // of the width, for the panel of an opened unit
const LARGE_SHARE = 0.75; // where type is large
const ENOUGH_OPENED = 830; // width of the panel that the columns leave it if they can
const MOST_OPENED = 1080;
const LEAST_OPENED = 700;
const FEW_WIDE = 50; // width of a column beside it where there are few, and where there are many
const MANY_WIDE = LEAST_SIDE * 1.1;
const NARROW = 900; // a window so narrow or low has the panel over its lower part
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
  const few = width - SCORES_WIDE - (columns - 1) * FEW_WIDE;
  const many = Math.max(LEAST_OPENED, width - SCORES_LEAST - (columns - 1) * MANY_WIDE);
  return Math.floor(Math.min(MOST_OPENED, many, Math.max(share, Math.min(ENOUGH_OPENED, few))));
}

// The width of the columns between the picture and the classes, of the classes, and the longest side
// of a map, in pixels.
//   columns: {form, count}; `count` maps are one below the other, and bars are the classes
//   width: of the window, of which `aside` pixels are for the panel
export function layoutOf(columns, window, aside, height) {
  const width = window - aside;
  const lists = columns.filter(({ form }) => form === "bars").length;
  const others = columns.length - lists;
  const least = window < PHONE ? FINGER : aside > 0 ? MANY_WIDE : LEAST_SIDE * 1.5;
  const left = aside > 0 ? Math.max(SCORES_LEAST, width - others * least) : width * 0.4;
  const scores = lists === 0 ? 0 : Math.min(SCORES_WIDE, left / lists);
  const wide = Math.max(least, (width - lists * scores) / Math.max(1, others));
  const most = Math.max(1, ...columns.filter(({ form }) => form === "maps").map(({ count }) => count));
  const side = Math.min(MOST_SIDE, height / most - MAP_GAP, wide * (1 - EDGES_SHARE));
  return { wide: Math.floor(wide), scores: Math.floor(scores), side: Math.max(LEAST_SIDE, Math.floor(side)) };
}
