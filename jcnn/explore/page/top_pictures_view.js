// The pictures of a channel, found when the page was made: the one that maximises it, and those in which
// it has its largest values.

import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { fieldMark } from "./field_view.js";
import { hasMaximised, maximisedParts } from "./maximised_view.js";
import { drawPicture } from "./pictures.js";
import { receptiveFields } from "./receptive_field.js";
import { fillPanel, viewed } from "./view_panel.js";
import { whyWords } from "./why_words.js";
import { fillIn } from "./words.js";

export function hasTopPictures(network, layer) {
  return Boolean(network.top?.layers[layer]) || hasMaximised(network, layer);
}

export function showTopPictures(panel, state) {
  const { network, selected } = state;
  fillPanel(panel,
    ...(hasMaximised(network, selected.layer) ? maximisedParts(state) : []),
    ...(network.top?.layers[selected.layer] ? topParts(state) : []));
}

function topParts(state) {
  const { layer, index, place } = viewed(state);
  const { top, layers, input } = state.network;
  const why = whyWords[state.language];
  const found = top.layers[index][place.channel];
  const name = `${layer.name}, ${layer.out.length === 3 ? why.whyChannel : why.whyUnit} ${place.channel}`;
  const same = found.length > 1 && found.every(([, , value]) => value === found[0][2]);
  return [
    make("header", { class: "view-head" }, make("h3", {}, why.topTitle)),
    make("p", {}, fillIn(why.topIntro, { count: top.count, name }), same ? ` ${why.topSame}` : ""),
    make("ol", { class: "top-pictures" }, found.map(([picture, unit, value]) => {
      const [height, width] = top.shape;
      const canvas = make("canvas", { role: "img", "aria-label": why.whyPicture });
      drawPicture(canvas, Float64Array.from(top.pictures[picture], (pixel) => pixel / 255), top.shape);
      const [field] = receptiveFields(layers, index, unit);
      return make("li", { "data-picture": picture, "data-unit": unit },
        make("span", { class: "map-frame", style: { aspectRatio: `${width} / ${height}` } }, canvas,
          field && fieldMark(field, input.shape)),
        numeral(value, state.exact));
    })),
  ];
}
