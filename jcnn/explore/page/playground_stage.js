// Input, kernel and output as grids, the marks in them, and the text about the marked cell.

import { make } from "./dom.js";
import { setNumeral, written } from "./digits.js";
import { exampleOf } from "./examples_more.js";
import { judged, readNumber } from "./exercise.js";
import { allToAll, biasFigure, gridFigure, maskFigure, refreshAllToAll, weightsFigure } from "./playground_extras.js";
import { fitStage } from "./playground_fit.js";
import { cellAt, entryCell, numberCell, numberGrid, paddingCell, stopAt } from "./playground_grid.js";
import { channelsLast, layerOf, outShape, playUnit, stepAtPlace } from "./playground_state.js";
import { runPlay } from "./playground_run.js";
import { fillIn } from "./words.js";
import { workingOf } from "./playground_working.js";

// Build the grids for the window and layer of the view.
export function drawStage(view) {
  const { play, text, boxes, layer } = view;
  view.grids = { input: [], kernel: [], output: [], mask: [] };
  const channels = play.inputs.length;
  const kept = (name, label, caption, grid) => {
    view.grids[name].push(grid);
    return gridFigure(caption, grid);
  };
  const filters = layer.arrays.kernel && layer.kind !== "dense" ? play.kernels.length / channels : 0;
  const kernels = (channel) => Array.from({ length: filters }, (_, filter) => {
    const label = kernelLabel(text, filter, filters, channel, channels);
    const caption = channel > 0 ? "" : filters > 1 ? fillIn(text.kernel_filter, { filter }) : text.kernel_title;
    return kept("kernel", label, caption, kernelGrid(view, label, filter * channels + channel));
  });
  // Several channels have short captions, which fit a small grid.
  const titled = (name, channel, count) =>
    count > 1 ? [fillIn(text[`${name}_channel`], { channel }), fillIn(text.channel, { channel })] : [text[`${name}_title`], text[`${name}_title`]];
  const sign = { conv: "∗", similarity: "≟" }[layer.kind];
  const inputs = play.inputs.map((_, channel) => {
    const [label, caption] = titled("input", channel, channels);
    const input = kept("input", label, caption, inputGrid(view, label, channel));
    const mask = layer.kind === "dropout" && [stageSign("×"), maskFigure(view, channel)];
    return make("div", { class: "pg-line" }, input, filters > 0 && [stageSign(sign), kernels(channel)], mask);
  });
  const count = outShape(layer)[2];
  const outputs = Array.from({ length: count }, (_, channel) => {
    const [label, caption] = titled("output", channel, count);
    return kept("output", label, caption, outputGrid(view, label, channel));
  });
  const dense = layer.kind === "dense";
  boxes.stage.replaceChildren(
    make("div", { class: channels > 1 ? "pg-group pg-several" : "pg-group" }, inputs),
    ...(dense ? [allToAll(view), make("div", { class: "pg-weights" }, weightsFigure(view, numberEntry))] : []),
    ...(layer.arrays.bias ? [stageSign("+"), make("div", { class: "pg-bias" }, biasFigure(view, numberEntry))] : []),
    stageSign("="),
    make("div", { class: "pg-group pg-outputs" }, outputs),
  );
  fitStage(view);
}

function kernelLabel(text, filter, filters, channel, channels) {
  const word = filters > 1 ? (channels > 1 ? "kernel_filter_channel" : "kernel_filter") : channels > 1 ? "kernel_channel" : "kernel_title";
  return fillIn(text[word], { filter, channel });
}

const stageSign = (mark) => make("div", { class: "pg-sign", "aria-hidden": "true" }, mark);

// The padded input; padding cells are read-only and show zero or nothing.
function inputGrid(view, label, channel) {
  const { play, text, window } = view;
  const [[top, bottom], [left, right]] = window.padding;
  const [height, width] = window.inSize;
  const outside = ["conv", "similarity"].includes(view.layer.kind) ? "0" : "";
  const rows = [];
  for (let row = -top; row < height + bottom; row++) {
    const cells = [];
    for (let column = -left; column < width + right; column++) {
      const inside = row >= 0 && row < height && column >= 0 && column < width;
      cells.push(inside ? numberEntry(view, play.inputs[channel], row, column) : paddingCell(outside, text.padding_cell));
    }
    rows.push(cells);
  }
  return numberGrid(label, rows);
}

function kernelGrid(view, label, index) {
  const grid = view.play.kernels[index];
  return numberGrid(label, grid.map((row, i) => row.map((_, j) => numberEntry(view, grid, i, j))));
}

// A cell of the input or kernel; every change is computed immediately.
function numberEntry(view, grid, row, column, onNumber = () => {}) {
  const { text, state } = view;
  const place = fillIn(text.place, { row, column });
  const type = (input) => {
    const number = readNumber(input.value);
    input.toggleAttribute("aria-invalid", false);
    if (!Number.isFinite(number)) return input.setAttribute("aria-invalid", "true");
    if (number === grid[row][column]) return undefined;
    grid[row][column] = number;
    onNumber(number);
    view.changed();
    return view.refresh();
  };
  const leave = (input) => {
    if (Number.isFinite(readNumber(input.value))) return;
    state.announce(fillIn(text.not_number, { place, value: input.value }));
    input.value = written(grid[row][column], true);
    input.removeAttribute("aria-invalid");
  };
  const cell = entryCell(row, column, written(grid[row][column], true), type, leave);
  cell.firstChild.setAttribute("aria-label", place);
  return cell;
}

function outputGrid(view, label, channel) {
  const [rows, columns] = outShape(view.layer);
  const cells = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) =>
      view.play.answers ? answerEntry(view, row, column, channel) : numberCell(row, column),
    ),
  );
  const grid = numberGrid(label, cells);
  const point = ({ target }) => {
    const cell = target.closest("[data-row]") ?? target.querySelector?.(":scope > [data-row]");
    if (!cell || view.timer !== null) return;
    const place = { row: Number(cell.dataset.row), column: Number(cell.dataset.column), channel };
    const { at } = view.play;
    if (at && playUnit(view.layer, at) === playUnit(view.layer, place)) return;
    view.play.filled = null;
    view.select(place);
  };
  grid.addEventListener("focusin", (event) => {
    view.stop();
    point(event);
  });
  grid.addEventListener("pointerover", (event) => {
    // A cell that is being filled in keeps its window.
    if (!view.play.answers) point(event);
  });
  return grid;
}

function answerEntry(view, row, column, channel) {
  const unit = playUnit(view.layer, { row, column, channel });
  const { answers } = view.play;
  const leave = (input) => {
    if (input.value === (answers[unit]?.text ?? "")) return;
    answers[unit] = { text: input.value, shown: false };
    view.refresh();
    const mark = judged(input.value, view.y[unit]);
    if (mark === "empty") return;
    const said = fillIn(view.text.place_mark, { row, column, mark: view.text[mark] });
    view.state.announce(`${said}. ${view.standing}`);
  };
  return entryCell(row, column, answers[unit]?.text ?? "", () => {}, leave);
}

// Compute, and update all numbers, marks and texts.
export function refreshStage(view) {
  view.layer = layerOf(view.play, view.window);
  view.x = channelsLast(view.play.inputs);
  view.y = runPlay(view.layer, view.x);
  const [rows, columns, channels] = outShape(view.layer);
  const printed = printedOf(view.play);
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const place = { row, column, channel };
        const cell = cellAt(view.grids.output[channel], row, column);
        if (view.play.answers) markAnswer(view, cell, place);
        else writeOutput(view, cell, place, printed?.[row]?.[column]);
      }
    }
  }
  if (view.layer.kind === "dense") refreshAllToAll(view);
  markWindow(view);
  showWorking(view);
  showNotes(view, printed);
}

// The number on the slide if it differs; hidden during an exercise.
function printedOf(play) {
  const example = exampleOf(play.example);
  return play.answers ? undefined : example?.printed;
}

function writeOutput(view, cell, place, printed) {
  const { play, text, state, layer } = view;
  const value = view.y[playUnit(layer, place)];
  const later = play.filled !== null && stepAtPlace(layer, place) > play.filled;
  const misprint = !later && printed !== undefined && printed !== value;
  const words = { ...place, value: written(value, state.exact), printed };
  setNumeral(cell.firstChild, value, state.exact);
  cell.classList.toggle("pg-later", later);
  cell.classList.toggle("pg-misprint", misprint);
  cell.querySelector("s")?.remove();
  if (misprint) cell.append(make("s", {}, String(printed)));
  const label = later ? text.place_empty : misprint ? text.place_printed : text.place_value;
  cell.setAttribute("aria-label", fillIn(label, words));
}

function markAnswer(view, input, place) {
  const { play, text, layer } = view;
  const unit = playUnit(layer, place);
  const answer = play.answers[unit];
  const mark = judged(answer?.text ?? "", view.y[unit]);
  const cell = input.parentElement;
  cell.dataset.mark = mark;
  cell.classList.toggle("pg-shown", Boolean(answer?.shown));
  if (mark === "wrong" || mark === "no_number") input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  const words = { ...place, mark: text[mark], value: answer?.text };
  const label = mark === "empty" ? text.place_empty : text.place_mark;
  input.setAttribute("aria-label", fillIn(label, words));
}

// Mark the output cell and the input cells under its window.
function markWindow(view) {
  const { boxes, grids, play, layer, window } = view;
  for (const old of boxes.stage.querySelectorAll(".pg-marked")) old.classList.remove("pg-marked");
  if (play.at === null) return;
  const { row, column, channel } = play.at;
  const output = cellAt(grids.output[channel], row, column);
  output.closest(".pg-cell").classList.add("pg-marked");
  stopAt(grids.output[channel], output);
  if (layer.kind === "dense") return markDense(view, column);
  if (layer.kind === "dropout") markCell(grids.mask[channel], row, column);
  if (layer.kind === "dropout") return markCell(grids.input[channel], row, column);
  const inputs = layer.arrays.kernel ? grids.input : [grids.input[channel]];
  const filters = outShape(layer)[2];
  if (layer.arrays.kernel && filters > 1) {
    const own = grids.kernel.filter((_, i) => i % filters === channel);
    for (const grid of own) grid.classList.add("pg-marked");
  }
  if (layer.kind === "flatten") {
    const channels = layer.in[2];
    const cell = Math.floor(column / channels);
    const place = [Math.floor(cell / layer.in[1]), cell % layer.in[1]];
    return markCell(grids.input[column % channels], ...place);
  }
  for (let i = 0; i < window.kernel[0]; i++) {
    for (let j = 0; j < window.kernel[1]; j++) {
      const paddedRow = row * window.stride[0] + i * window.dilation[0];
      const paddedColumn = column * window.stride[1] + j * window.dilation[1];
      for (const grid of inputs) markCell(grid, paddedRow, paddedColumn);
    }
  }
  return undefined;
}

function markDense({ boxes, grids }, unit) {
  const cells = boxes.stage.querySelectorAll(".pg-group:not(.pg-outputs) .pg-cell");
  for (const cell of cells) cell.classList.add("pg-marked");
  for (let input = 0; input < cells.length; input++) markCell(grids.weights[0], input, unit);
}

const markCell = (grid, row, column) => grid.children[row].children[column].classList.add("pg-marked");

function showWorking(view) {
  const { boxes, play, text, state, layer } = view;
  if (play.at === null) {
    boxes.working.replaceChildren(make("p", { class: "pg-task" }, play.answers ? text.exercise : text.point));
    return;
  }
  const unit = playUnit(layer, play.at);
  const heading = fillIn(outShape(layer)[2] > 1 ? text.at_channel : text.at, play.at);
  const solved = !play.answers || judged(play.answers[unit]?.text ?? "", view.y[unit]) === "right";
  const working =
    solved || play.hint
      ? workingOf(text, layer, view.x, unit, state.exact, solved, view.y[unit])
      : [make("p", { class: "pg-task" }, text.exercise)];
  boxes.working.replaceChildren(make("h3", {}, heading), ...working);
}

function showNotes(view, printed) {
  const { boxes, play, text, state, layer } = view;
  const example = exampleOf(play.example);
  const wrong = (printed ?? []).flatMap((cells, row) =>
    cells.map((shown, column) => ({ row, column, printed: shown, right: view.y[playUnit(layer, { row, column, channel: 0 })] })),
  );
  const misprints = wrong.filter((cell) => cell.printed !== cell.right);
  const lines = misprints.map((cell) =>
    make("li", {}, fillIn(text.misprint, { ...cell, value: written(cell.right, state.exact) })),
  );
  const list = lines.length > 0 && [make("h3", {}, text.misprints), make("ul", {}, lines)];
  const said = example?.note === true ? text[`note_${example.id}`] : example?.note;
  const note = said && !play.answers && make("p", {}, said);
  boxes.notes.replaceChildren(...[list, note].flat().filter(Boolean));
}
