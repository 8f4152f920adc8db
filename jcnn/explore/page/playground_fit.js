// How large the cells of the stage may be.

import { outShape } from "./playground_state.js";

// Height and width of an output cell in input cells, as in playground.css.
const TALL = 1.07;
const BROAD = 1.22;

// The grids of several output channels stand in a square.
const outputsAcross = (outputs) => (outputs > 2 ? Math.ceil(Math.sqrt(outputs)) : 1);

// Tell the style sheet how many cells stand side by side and one above the other, and where the
// stage begins: it makes the cells as large as the window allows.
export function fitStage({ boxes, layer, window, play }) {
  const padded = window.inSize.map((cells, axis) => cells + window.padding[axis][0] + window.padding[axis][1]);
  const [rows, columns, outputs] = outShape(layer);
  const inputs = play.inputs.length;
  const dense = layer.kind === "dense";
  const bias = layer.arrays.bias ? 1 : 0;
  const filters = layer.arrays.kernel && !dense ? play.kernels.length / inputs : 0;
  // How many cells one above the other, and the rest of the height in rem: captions and gaps.
  const across = outputsAcross(outputs);
  const down = Math.ceil(outputs / across);
  const several = inputs > 1 ? 0.5 * inputs + 1.5 : 2.2;
  const stacks = [
    [inputs * Math.max(padded[0], filters && window.kernel[0]), several],
    [down * rows * TALL, 2.2 * down],
    [dense ? play.weights.length : 0, 2.2],
    [bias * play.bias.length, 2.2],
  ];
  const [high, rest] = stacks.reduce((a, b) => (2 * b[0] + b[1] > 2 * a[0] + a[1] ? b : a));
  const beside = { dense: layer.out[0], dropout: padded[1] }[layer.kind] ?? filters * window.kernel[1];
  // What stands between the cells, in rem: a gap is .8, a sign with its gap 2.1, a frame .4.
  const signs = [
    4, 0.4 * across + (across - 1),
    filters > 0 && 2.1 + 1.4 * filters,
    bias && 4.5,
    inputs > 1 && 5,
    dense && 15.5,
    layer.kind === "dropout" && 4,
  ].reduce((sum, part) => sum + Number(part), 0);
  const values = {
    "--pg-high": high,
    "--pg-rest": `${rest}rem`,
    "--pg-across": across,
    "--pg-wide": padded[1] + beside + across * columns * BROAD + bias,
    "--pg-signs": `${signs}rem`,
    "--pg-top": `${Math.round(boxes.stage.getBoundingClientRect().top + globalThis.scrollY)}px`,
  };
  for (const [name, value] of Object.entries(values)) boxes.stage.style.setProperty(name, value);
}
