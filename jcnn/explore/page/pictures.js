// The picker of the embedded pictures, and the selection of one.

import { make } from "./dom.js";
import { changeOutputs, wanted } from "./passes.js";
import { state } from "./state.js";
import { words } from "./words.js";

// Select embedded picture `index` and run the network on it. The state is also changed by `now`, at once,
// and by `patch`, with the picture.
export function choosePicture(index, now = {}, patch = {}) {
  changeOutputs({ picture: index, ...patch }, { input: inputFor(state.network.pictures[index].pixels), now });
}

// The same for pixels (H, W, C) that were drawn, or read from the file `name`.
export function showOwn(pixels, name) {
  const { picture, own } = wanted();
  changeOutputs({ picture: null, own: { pixels, name, from: picture ?? own.from } }, { input: inputFor(pixels) });
}

// The pixels of the input that was chosen last.
export function pixelsNow() {
  const { picture, own, network } = wanted();
  return picture === null ? own.pixels : network.pictures[picture].pixels;
}

// The model takes float32 pixels, so the input is rounded to float32.
export function inputFor(pixels) {
  const { scale } = state.network.input;
  return Float64Array.from(pixels, (pixel) => Math.fround(pixel / scale));
}

// Draw values of 0..1, (H, W, 1) or (H, W, 3), as an image; `only` draws one channel, in its colour.
export function drawPicture(canvas, values, [height, width, channels], only = null) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let k = 0; k < 3; k++) {
      const seen = channels === 1 || only === null || only === k;
      image.data[4 * i + k] = seen ? 255 * values[i * channels + (channels === 3 ? k : 0)] : 0;
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

export function isPicture(shape) {
  return shape.length === 3 && (shape[2] === 1 || shape[2] === 3);
}

// Fill the picker; further calls only mark the chosen picture and update the words. A picture that
// was drawn or read from a file comes after the embedded ones.
export function showPictures(box) {
  const { network, picture, own, language } = wanted();
  const w = words(language);
  box.setAttribute("aria-label", w.pictures);
  if (!box.firstChild) box.append(...network.pictures.map(({ pixels }, i) => thumb(() => choosePicture(i), pixels)));
  const buttons = [...box.children];
  const count = network.pictures.length;
  if (own && buttons.length === count) {
    buttons.push(thumb(() => showOwn(wanted().own.pixels, wanted().own.name), own.pixels));
    box.append(buttons[count]);
  } else if (own) drawThumb(buttons[count], own.pixels);
  else if (buttons.length > count) buttons.pop().remove();
  for (const [index, button] of buttons.entries()) {
    const { name, label } = network.pictures[index] ?? { name: own.name ?? w.drawn, label: null };
    const known = label === null ? "" : `, ${w.label} ${network.classes[label] ?? label}`;
    button.setAttribute("aria-label", `${w.picture} ${index + 1}: ${name}${known}`);
    button.title = `${name}${known}`;
    button.setAttribute("aria-pressed", index === (picture ?? count));
  }
}

function thumb(press, pixels) {
  const button = make("button", { type: "button", class: "thumb", onclick: press }, make("canvas"));
  drawThumb(button, pixels);
  return button;
}

function drawThumb(button, pixels) {
  const { shape, scale } = state.network.input;
  if (isPicture(shape)) drawPicture(button.firstChild, Float64Array.from(pixels, (p) => p / scale), shape);
}
