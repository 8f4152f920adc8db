// Create elements. Data becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

// make("button", {class: "quiet", onclick: press}, "Play"): an HTML element with its children.
// `on...` are listeners, `style` is an object; null and false omit an attribute or child.
export function make(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

// The same for SVG.
export function makeSvg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}
