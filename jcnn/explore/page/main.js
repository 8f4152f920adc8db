// The entry point: unpack, compute, render and listen. Only this file has side effects on import.

import { forgetAddress, keepAddress } from "./address.js";
import { check, checkInSlices, showSummary } from "./badge.js";
import { MODEL_LETTERS, outputsOfModel, takeModel } from "./compare.js";
import { showModels } from "./compare_switch.js";
import { showCompare } from "./compare_view.js";
import { compareWords } from "./compare_words.js";
import { makeDetail } from "./detail.js";
import { takeEpoch } from "./edits.js";
import { lastEpoch, setWeights } from "./epochs.js";
import { showEpochs } from "./epochs_view.js";
import { numeral } from "./digits.js";
import { make } from "./dom.js";
import { makeService } from "./learn_service.js";
import { makeLecture } from "./lecture.js";
import { turnPage } from "./lecture_page.js";
import { nextFrame } from "./occlusion.js";
import { makeOverview } from "./overview.js";
import { unpack } from "./numbers.js";
import { makePasses } from "./pass_service.js";
import { blankOutputs, showProgress } from "./pass_view.js";
import { afterPass, changeOutputs, isLong, wanted, watchPasses } from "./passes.js";
import { choosePicture, inputFor, showPictures } from "./pictures.js";
import { showPlayground } from "./playground.js";
import { change, listen, readHash, state } from "./state.js";
import { showTools } from "./tools.js";
import { makeTour } from "./tour.js";
import { showTrain } from "./train_view.js";
import { showTrouble } from "./trouble.js";
import { showWhy } from "./why_view.js";
import { fillIn, words } from "./words.js";
import { serveInWorker } from "./worker_link.js";

// The pages besides the network: name (of its word and its section), function, and the parts of the
// state that it depends on besides the language.
const PAGES = [
  ["compare", showCompare, ["outputs", "scheme", "scale"]], // of two models
  ["occlusion", showWhy, ["outputs", "scheme", "method", "target", "maps"]],
  ["train", showTrain, ["scheme"]],
  ["playground", showPlayground, []],
];

const part = (id) => document.getElementById(id);

async function start() {
  const network = await unpack(document);
  const language = navigator.language.startsWith("ja") ? "ja" : "en";
  Object.assign(state, { network, language, announce: (text) => (part("announce").textContent = text) });
  Object.assign(state, { epoch: lastEpoch(network) }, readHash(location.hash, network));
  if (network.models) state.network = network.models[state.model];
  if (state.epoch !== null) setWeights(network, state.epoch);
  const panel = part("detail");
  const overview = makeOverview(part("overview"), part("readout"), panel);
  watchPasses((pass) => showPass(pass, overview));
  await runFirst(overview);
  const detail = makeDetail(panel, overview);
  const draw = (changed) => show(changed, overview, detail);
  const tour = makeTour(part("tour"), part("guide"));
  const lecture = makeLecture(part("guide"), (by) => tour.page(by) || turnPage(by));
  // They reserve their space before the page is drawn, and describe it afterwards.
  listen(lecture.prepare);
  listen(tour.prepare);
  listen(draw);
  listen(lecture.show);
  listen(tour.show);
  change({ ...state });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(new Set(["scheme"])));
  addEventListener("hashchange", () => {
    forgetAddress();
    const { epoch = state.epoch, model = state.model, picture = wanted().picture, ...patch } = readHash(location.hash, state.network);
    if (model !== state.model) takeModel(model);
    if (picture !== wanted().picture) choosePicture(picture, { selected: null, ...patch });
    else change({ selected: null, ...patch });
    if (epoch !== state.epoch) takeEpoch(epoch);
  });
  overview.showNetwork();
  document.body.dataset.ready = "true";
}

// The outputs of the picture to open. While they are computed, the network is seen filling up.
async function runFirst(overview) {
  const { network, picture, selected } = state;
  const { pixels } = network.pictures[picture];
  if (!isLong(network.layers)) {
    changeOutputs({}, { input: inputFor(pixels) });
    return;
  }
  const main = document.querySelector("main");
  Object.assign(state, { outputs: blankOutputs(network), selected: null });
  main.inert = true;
  showBars(words(state.language), new Set());
  overview.draw();
  await nextFrame();
  changeOutputs({ selected }, { input: inputFor(pixels) });
  await new Promise(afterPass);
  main.inert = false;
}

function showPass(pass, overview) {
  showProgress(part("pass"), [part("prediction"), part("badge")], pass);
  overview.fill(pass);
  if (document.body.dataset.ready && pass?.done === 0) {
    showPictures(part("pictures"));
    showTools(part("tools"));
  }
}

// Changes that affect only the panel of the selected unit.
const OF_PANEL = ["selected", "termOrder", "termPage", "dropoutTraining", "dropoutSeed"];

function show(changed, overview, detail) {
  // The window of a convolution moves often, and then only the marks and the panel are updated. The
  // playground updates itself.
  const only = (names) => [...changed].every((name) => names.includes(name));
  if (only(OF_PANEL)) overview.follow();
  else if (!only(["playground"])) showAll(changed, overview);
  if (!only(["playground"])) {
    detail(changed);
    overview.mark();
  }
  keepAddress();
}

function showAll(changed, overview) {
  const { network } = state;
  const w = words(state.language);
  showBars(w, changed);
  part("hint").textContent = w.hint;
  showPrediction(part("prediction"), w);
  part("left-out").hidden = network.left_out.length === 0 && !network.half;
  part("left-out").textContent = `${network.half ? `${w.half} ` : ""}${leftOut(network.left_out, w)}`;
  showEpochs(part("epochs"));
  overview.draw();
  state.pass?.filled.clear();
  if (state.pass) overview.fill(state.pass);
  if (["outputs", "language", "exact", "edited", "split"].some((name) => changed.has(name))) later(() => showChecks(overview));
}

function showBars(w, changed) {
  showModels(part("models"));
  document.documentElement.lang = state.language;
  showPages(part("pages"), w, changed);
  showControls(part("controls"), w);
  showPictures(part("pictures"));
  showTools(part("tools"));
}

function leftOut(parts, w) {
  const list = (names) => names.join(", ");
  return parts.map(({ layers, pictures }) =>
    fillIn(w.left_out, { layers: list(layers), pictures: list(pictures) })).join(" ");
}

// After rendering, because the check takes as long as the forward pass.
let waiting = false;
function later(task) {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => setTimeout(() => {
    waiting = false;
    task();
  }));
}

async function showChecks(overview) {
  const { network: { models }, outputs, model } = state;
  const going = () => state.outputs === outputs;
  const checked = (shown) => (isLong(shown.network.layers) ? checkInSlices(shown, going) : check(shown));
  const both = [];
  for (const [k, network] of (models ?? [state.network]).entries()) {
    both.push(await checked(models && k !== model ? { ...state, network, outputs: outputsOfModel(k) } : state));
    if (!going()) return;
  }
  showSummary(part("badge"), both.flat(), state);
  if (models) part("badge").append(` (${compareWords[state.language].compareBoth})`);
  overview.check(both[models ? model : 0]);
}

function showControls(box, w) {
  const focused = document.activeElement?.dataset?.control;
  const choice = (name, label, options) => make("label", {}, make("span", {}, label),
    make("select", { "data-control": name, onchange: (event) => change({ [name]: event.target.value }) },
      options.map(([value, text]) => make("option", { value, selected: state[name] === value }, text))));
  box.replaceChildren(
    choice("scale", w.colours, [["unit", w.per_unit], ["layer", w.per_layer], ["global", w.global]]),
    make("label", { class: "check" }, make("input", {
      type: "checkbox", "data-control": "exact", checked: state.exact,
      onchange: (event) => change({ exact: event.target.checked }),
    }), make("span", {}, w.exact)),
    make("label", { class: "check" }, make("input", {
      type: "checkbox", "data-control": "split", checked: state.split,
      onchange: (event) => change({ split: event.target.checked }),
    }), make("span", {}, w.split)),
    choice("language", w.language, [["en", "English"], ["ja", "日本語"]]),
  );
  if (focused) box.querySelector(`[data-control="${focused}"]`)?.focus();
}

function showPages(nav, w, changed) {
  const has = { compare: state.network.models, train: state.network.learn };
  const pages = PAGES.filter(([name]) => !(name in has) || has[name]);
  const names = ["network", ...pages.map(([name]) => name)];
  const view = names.includes(state.view) ? state.view : "network";
  if (!nav.firstChild) {
    nav.append(...names.map((name) => make("button", { type: "button", onclick: () => change({ view: name }) })));
  }
  names.forEach((name, i) => {
    nav.children[i].textContent = w[name];
    nav.children[i].setAttribute("aria-pressed", String(name === view));
  });
  for (const id of ["network-view", "readout"]) part(id).hidden = view !== "network";
  part("pictures").hidden = view === "playground";
  part("tools").hidden = view === "playground" || view === "train";
  for (const [name, showPage, more] of pages) {
    part(name).hidden = name !== view;
    // Rebuilding would take the focus away from a field in use.
    const anew = ["view", "language", "exact", ...more].some((key) => changed.has(key));
    if (name === view && anew) showPage(part(name), state);
  }
}

function showPrediction(box, w) {
  const { network, outputs } = state;
  const last = outputs.at(-1);
  const best = last.indexOf(Math.max(...last));
  if (network.layers.at(-1).kind !== "softmax" || best < 0) return;
  const label = state.picture === null ? null : network.pictures[state.picture].label;
  const isRight = label === null ? null : label === best;
  const letter = network.models ? `${MODEL_LETTERS[state.model]}: ` : "";
  box.replaceChildren(`${letter}${w.predicted}: `, make("b", {}, network.classes[best] ?? best), ` (${w.probability} `,
    numeral(last[best], state.exact), ")");
  if (isRight !== null) {
    const verdict = isRight ? w.is_right : fillIn(w.is_wrong, { label: network.classes[label] ?? label });
    box.append(" ", make("span", { class: isRight ? "verdict right" : "verdict wrong" }, `${isRight ? "✓" : "✗"} ${verdict}`));
  }
}

// Long passes and the page's training run this script in a worker, which has no document.
if (typeof document === "undefined") serveInWorker(self, { passes: makePasses, training: makeService });
else start().catch((error) => showTrouble(error, state.network !== null));
