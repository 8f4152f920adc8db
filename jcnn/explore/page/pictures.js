// The embedded pictures: their picker, and what happens when one is chosen.

import { make } from "./dom.js";
import { runFrom } from "./forward.js";
import { change, state } from "./state.js";
import { words } from "./words.js";

// Compute everything for embedded picture `index` and show it.
export function choosePicture(index) {
  change({ picture: index, outputs: outputsOf(state.network, index) });
}

// The input and every layer's output. The model is given float32 pixels, so the input is float32.
export function outputsOf(network, index) {
  const { scale } = network.input;
  const pixels = network.pictures[index].pixels;
  const outputs = [Float64Array.from(pixels, (pixel) => Math.fround(pixel / scale))];
  runFrom(network.layers, outputs, 0);
  return outputs;
}

// Draw values of 0..1, (H, W, 1) or (H, W, 3), as the picture that they are.
export function drawPicture(canvas, values, [height, width, channels]) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = 255 * values[i * channels + (channels === 3 ? k : 0)];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

export function isPicture(shape) {
  return shape.length === 3 && (shape[2] === 1 || shape[2] === 3);
}

// Fill the picker; called again, it only marks the chosen one and renews the words.
export function showPictures(box) {
  const { network, picture, language } = state;
  const w = words(language);
  box.setAttribute("aria-label", w.pictures);
  if (!box.firstChild) {
    box.append(...network.pictures.map((_, index) =>
      make("button", { type: "button", class: "thumb", onclick: () => choosePicture(index) }, make("canvas"))));
    for (const [index, button] of [...box.children].entries()) {
      const pixels = Float64Array.from(network.pictures[index].pixels, (p) => p / network.input.scale);
      if (isPicture(network.input.shape)) drawPicture(button.firstChild, pixels, network.input.shape);
    }
  }
  for (const [index, button] of [...box.children].entries()) {
    const { name, label } = network.pictures[index];
    const known = label === null ? "" : `, ${w.label} ${network.classes[label] ?? label}`;
    button.setAttribute("aria-label", `${w.picture} ${index + 1}: ${name}${known}`);
    button.title = `${name}${known}`;
    button.setAttribute("aria-pressed", index === picture);
  }
}
