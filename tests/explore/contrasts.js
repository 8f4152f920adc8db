// Every visible text with the worst contrast to what lies behind it, by WCAG 2.1's relative
// luminance. Colours go through a canvas, which knows every way of writing them; of a gradient
// each colour counts.
() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], behind) => [r, g, b].map((c, i) => c * a + behind[i] * (1 - a));
  const luminance = (colour) => {
    const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    const paints = [];
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      const gradient = style.backgroundImage.match(/(rgba?|color|oklab)\([^()]*\)/g);
      const colour = rgba(style.backgroundColor);
      if (gradient) paints.push(gradient.map(rgba));
      if (colour[3] > 0) paints.push([colour]);
      if (colour[3] === 1) break;
    }
    let bases = [matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255]];
    for (const paint of paints.reverse()) bases = bases.flatMap((base) => paint.map((p) => over(p, base)));
    return bases;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const disabled = element.closest("[disabled], [aria-disabled=true], script, style, .unseen, option");
    if (!node.textContent.trim() || disabled || !element.checkVisibility({ opacityProperty: true })) continue;
    if (element instanceof SVGElement) {
      const fill = over(rgba(getComputedStyle(element).fill), behind(element)[0]);
      found.push([Math.min(...behind(element).map((b) => ratio(fill, b))), node.textContent.trim()]);
      continue;
    }
    const bases = behind(element);
    const worst = bases.map((base) => ratio(over(rgba(getComputedStyle(element).color), base), base));
    found.push([Math.min(...worst), `${element.className}: ${node.textContent.trim()}`]);
  }
  return found;
}
