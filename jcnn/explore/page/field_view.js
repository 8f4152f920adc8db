// The receptive field of a unit, on the picture and in words.

import { rangeOf } from "./colour.js";
import { numeral } from "./digits.js";
import { make, makeSvg } from "./dom.js";
import { hasGaps, isCut, runsOf } from "./field_boxes.js";
import { mapPicture } from "./map_picture.js";
import { drawPicture } from "./pictures.js";
import { receptiveFields } from "./receptive_field.js";
import { fillPanel, placeFields, selectUnit, shapeText, viewed, viewTable } from "./view_panel.js";
import { viewWords } from "./view_words.js";
import { fillIn } from "./words.js";

export function showField(panel, state) {
  const { layer, index, unit, y, place } = viewed(state);
  const { network, outputs, language } = state;
  const text = viewWords[language];
  const { shape } = network.input;
  const fields = receptiveFields(network.layers, index, unit);
  const choose = (chosen) => {
    selectUnit(index, chosen);
    state.announce(fieldSentence(receptiveFields(network.layers, index, chosen)[0], shape, language));
  };
  const canvas = make("canvas", { role: "img", "aria-label": fieldSentence(fields[0], shape, language) });
  drawPicture(canvas, outputs[0], shape);
  const frame = make("span", { class: "map-frame", style: { aspectRatio: `${shape[1]} / ${shape[0]}` } },
    canvas, fieldMark(fields[0], shape));
  fillPanel(panel,
    make("header", { class: "view-head" },
      make("h3", {}, text.fieldTitle),
      make("p", { class: "view-shapes" }, `${layer.name}: ${shapeText(layer.out)}`),
      make("div", { class: "view-controls" }, ...placeFields(state, layer.out, unit, "field", choose))),
    make("p", {}, text.fieldIntro),
    make("div", { class: "view-columns" },
      make("figure", { class: "field-picture" }, frame, make("figcaption", {}, text.fieldPicture)),
      layer.out.length === 3 && mapPicture(y, layer.out, place.channel, [place.row, place.column, 1, 1],
        rangeOf(y), fillIn(text.fieldOutput, { layer: layer.name, channel: place.channel })),
      make("div", { class: "field-words" },
        sentences(fields[0], shape, text).map((sentence) => make("p", {}, sentence)),
        make("p", { class: "view-note" }, text.fieldTrace), traceTable(network, fields, text))));
}

// "Rows 3 to 9, columns 0 to 6: 7 × 7 of 28 × 28 pixels."
export function fieldSentence(field, shape, language) {
  return sentences(field, shape, viewWords[language])[0];
}

// An SVG overlay that dims the picture outside the field and outlines the field.
export function fieldMark({ bands }, [height, width], attributes = {}) {
  const inside = bands.map(({ rows: [row, high], columns }) =>
    runsOf(columns).map(([column, wide]) => `M${column} ${row}h${wide}v${high}h${-wide}z`).join("")).join("");
  return makeSvg("svg", { class: "field-mark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
    "aria-hidden": "true", ...attributes },
    makeSvg("path", { class: "field-veil", d: `M0 0H${width}V${height}H0z${inside}` }),
    makeSvg("path", { class: "field-inside", d: inside }));
}

function sentences(field, [height, width, channels], text) {
  const { rows, columns, reach, pixels } = field;
  if (pixels === 0) return [text.fieldNone];
  const ends = { top: rows[0], bottom: rows.at(-1), left: columns[0], right: columns.at(-1) };
  const [high, wide] = [ends.bottom - ends.top + 1, ends.right - ends.left + 1];
  const said = [fillIn(text.fieldSize, { ...ends, high, wide, height, width })];
  if (hasGaps(field)) {
    said.push(fillIn(text.fieldGaps, { count: pixels, all: high * wide }));
  }
  if (isCut(field)) {
    const [[top, bottom], [left, right]] = reach;
    said.push(fillIn(text.fieldCut, { top: signed(top), bottom, left: signed(left), right,
      high: bottom - top + 1, wide: right - left + 1 }));
  }
  if (field.channels.length < channels) {
    said.push(fillIn(text.fieldChannels, { channels: field.channels.join(", "), all: channels }));
  }
  return said;
}

// The field in each layer that the unit depends on, from the unit back to the picture.
function traceTable(network, fields, text) {
  const name = (i) => (i === 0 ? text.fieldInput : network.layers[i - 1].name);
  const ends = (axis) => axis.length === 0 ? "–" :
    [numeral(axis[0], true), axis.length > 1 && ["–", numeral(axis.at(-1), true)]].flat().filter(Boolean);
  const line = ({ rows, columns, numbers }, i) => [name(i), span(ends(rows)), span(ends(columns)),
    numeral(numbers, true)];
  return viewTable([text.fieldLayer, text.fieldRows, text.fieldColumns, text.fieldNumbers],
    fields.flatMap((field, i) => (field ? [line(field, i)] : [])).reverse());
}

function span(parts) {
  return make("span", {}, parts);
}

function signed(number) {
  return String(number).replace("-", "−");
}
