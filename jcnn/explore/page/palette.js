// The colours of numbers, from zero outwards, on a light and on a dark background: blue below zero,
// orange above, zero like the background. Blue and orange are distinguishable with every common
// colour blindness. The drawings of `jcnn draw` read the light ones from this file, as JSON.

export const PALETTE = {
  "light": {
    "below": [[244, 243, 239], [146, 190, 222], [40, 108, 178], [6, 46, 98]],
    "above": [[244, 243, 239], [249, 189, 116], [203, 103, 14], [110, 47, 4]]
  },
  "dark": {
    "below": [[38, 44, 52], [36, 88, 146], [84, 158, 222], [190, 226, 255]],
    "above": [[38, 44, 52], [138, 76, 22], [226, 140, 50], [255, 222, 170]]
  }
};
