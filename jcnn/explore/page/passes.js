// The outputs that follow from another picture or from changed parameters. A pass of few multiply-adds
// is run at once. A longer one runs in a worker, layer by layer; until it is done, the state keeps the
// picture and the outputs that it has, which belong together.

import { runLayer } from "./forward.js";
import { changesOf, eachArray } from "./parameters.js";
import { makePasses } from "./pass_service.js";
import { sizeOf, upTo } from "./shapes.js";
import { change, state } from "./state.js";
import { openService } from "./worker_link.js";

const LONG_PASS = 1e8; // multiply-adds; about 100 milliseconds. The same number is in _page.py
const PASS_SLICE = 12; // milliseconds of work in a frame of the page, where workers are refused

let passCount = 0;
const passLinks = new WeakMap(); // layers -> {send, known}: what sends them to a worker, and what it knows
let noticePass = () => {};

// Call `notify(pass)` when a pass begins and after each layer, and with null when it ends.
export function watchPasses(notify) {
  noticePass = notify;
}

// Change the state by `now` at once, and by `patch` together with the outputs for a new `input`, or for
// parameters of the layers `edited` that were changed. What a pass under way would have changed is
// changed by the new one.
export function changeOutputs(patch, { input = null, edited = [], now = {} }) {
  const { network, outputs, pass } = state;
  const asked = { patch: { ...pass?.patch, ...patch }, input: input ?? pass?.input ?? null,
    edited: new Set([...(pass?.edited ?? []), ...edited]), after: pass?.after ?? [] };
  const plan = planOf(network.layers, asked);
  const next = [...outputs];
  if (asked.input !== null) next[0] = asked.input;
  if (!isLong(network.layers, plan)) {
    const { layers } = network;
    for (const i of plan) next[i + 1] = runLayer(layers[i], ...layers[i].inputs.map((one) => next[one]));
    endPass(asked, { ...now, ...asked.patch, outputs: next });
    return;
  }
  passCount += 1;
  state.pass = { ...asked, id: passCount, before: outputs, outputs: next, plan, done: 0, filled: new Set(), network };
  if (Object.keys(now).length > 0) change(now);
  noticePass(state.pass);
  sendPass(state.pass);
}

// What is asked for, by a pass under way or by the state.
export function wanted() {
  return { ...state, ...state.pass?.patch };
}

export function inputWanted() {
  return state.pass?.input ?? state.outputs[0];
}

// Call `task` when no pass is under way; now, if there is none.
export function afterPass(task) {
  if (state.pass) state.pass.after.push(task);
  else task();
}

// Whether the layers of the plan, or all, take long.
export function isLong(layers, plan = upTo(layers.length)) {
  return plan.reduce((sum, i) => sum + multiplyAdds(layers[i]), 0) > LONG_PASS;
}

// Products of an input and a weight.
function multiplyAdds({ kind, in: shape, out, arrays }) {
  if (!arrays.kernel) return 0;
  const cells = kind === "dense" ? 1 : kind === "conv_transpose" ? shape[0] * shape[1] : out[0] * out[1];
  return cells * sizeOf(arrays.kernel.shape);
}

// The layers to run: all for a new input, else those with changed parameters and what depends on them.
function planOf(layers, { input, edited }) {
  const renewed = new Set();
  return upTo(layers.length).filter((i) => {
    const runs = input !== null || edited.has(i) || layers[i].inputs.some((one) => renewed.has(one));
    if (runs) renewed.add(i + 1);
    return runs;
  });
}

function linkTo(layers) {
  const known = new Map(eachArray(layers).map(([, , array]) => [array, changesOf(array)]));
  const send = openService("passes", makePasses, PASS_SLICE, receiveLayer, () => {
    send("layers", layers);
    if (state.pass?.network.layers !== layers) return;
    state.pass.done = 0;
    sendPass(state.pass);
  });
  send("layers", layers);
  return { send, known };
}

function sendPass({ id, network: { layers }, plan, outputs }) {
  if (!passLinks.has(layers)) passLinks.set(layers, linkTo(layers));
  const { send, known } = passLinks.get(layers);
  const changed = eachArray(layers).filter(([, , array]) => known.get(array) !== changesOf(array));
  for (const [, , array] of changed) known.set(array, changesOf(array));
  if (changed.length > 0) send("numbers", changed.map(([i, name, { data }]) => [i, name, data]));
  const runs = new Set(plan.map((i) => i + 1));
  const read = new Set(plan.flatMap((i) => layers[i].inputs).filter((one) => !runs.has(one)));
  send("run", { id, plan, known: [...read].map((one) => [one, outputs[one]]) });
}

function receiveLayer({ id, layer, y }) {
  const { pass } = state;
  if (pass?.id !== id) return;
  pass.outputs[layer + 1] = y;
  pass.done += 1;
  // Other outputs came from elsewhere meanwhile; then these are not asked for any more.
  if (pass.before !== state.outputs) endPass(pass, {});
  else if (pass.done === pass.plan.length) endPass(pass, { ...pass.patch, outputs: pass.outputs });
  else noticePass(pass);
}

function endPass({ after }, patch) {
  if (state.pass) {
    state.pass = null;
    noticePass(null);
  }
  change(patch);
  for (const task of after) task();
}
