// Messages to a training and its reports. The same function serves in a worker and in the page.

import { changeSettings, heldScore, learnBatch, makeCourse, replaceDrawn, restart } from "./learn_course.js";
import { weightsOf } from "./learn_weights.js";

const BETWEEN = 100; // milliseconds between reports of a running training

// A service as in worker_link.js.
export function makeService(send, rest) {
  const service = { course: null, send, rest, turn: null, running: false, told: 0, since: 0, learned: 0 };
  return ([name, value]) => RECEIVE[name](service, value);
}

const RECEIVE = {
  open: (service, value) => {
    service.course = makeCourse(value);
    score(service);
  },
  weights: (service, weights) => {
    restart(service.course, weights);
    score(service);
  },
  settings: ({ course }, patch) => changeSettings(course, patch),
  drawn: ({ course }, drawn) => replaceDrawn(course, drawn),
  watch: ({ course }, watch) => Object.assign(course, { watch }),
  go: learn,
  stop: (service) => {
    service.turn = null;
    service.running = false;
    report(service);
  },
};

// The accuracy before the first step. It also stops what is going on.
async function score(service) {
  const { course } = service;
  const turn = (service.turn = {});
  service.running = false;
  const held = await finished(service, turn, heldScore(course));
  if (service.turn !== turn) return;
  course.scores.push({ step: 0, epoch: 0, learned: null, held });
  report(service);
}

// Learn until `goal`: "step", "epoch", or "on" for no end.
async function learn(service, goal) {
  const { course } = service;
  const turn = (service.turn = {});
  const { epoch } = course;
  Object.assign(service, { running: true, since: performance.now(), learned: 0 });
  for (;;) {
    const { step } = course;
    await finished(service, turn, learnBatch(course));
    if (service.turn !== turn) return;
    service.learned += course.batch?.length ?? 0;
    if (goal === "step" || (goal === "epoch" && course.epoch > epoch) || course.trouble || course.step === step) break;
    if (performance.now() - service.told > BETWEEN) report(service);
  }
  service.running = false;
  report(service);
}

// What a generator returns, with rests; undefined if another turn has begun.
async function finished(service, turn, parts) {
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
    const rest = service.rest();
    if (rest === null) continue;
    await rest;
    if (service.turn !== turn) return undefined;
  }
}

function report(service) {
  const { course, running, send } = service;
  service.told = performance.now();
  const seconds = (service.told - service.since) / 1000;
  const { run, step, epoch, at, batch, watched, steps, scores, trouble } = course;
  send({ running, run, step, epoch, at, of: course.order.length, batch, watched, steps: steps.splice(0), scores: scores.splice(0),
    trouble, speed: service.learned > 0 ? service.learned / seconds : null, weights: weightsOf(course.model.layers) });
}
