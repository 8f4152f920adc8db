// Services of the page in a worker, made of the page's own script; where a browser refuses workers, a
// service runs in the page, in slices between which the browser paints. A service is a function
// begin(send, rest), which returns the function that receives messages, [name, value]. `send`
// takes reports; `rest()` is null, or a promise where it is time to let others work.

import { nextFrame } from "./occlusion.js";

const IN_WORKER = 30; // milliseconds of work before it looks for messages

// `name` is that of the service for `serveInWorker`, `slice` the milliseconds of work in a frame of the
// page. `notify` takes reports, and whether they came from a worker. Returns the function that sends
// messages. Where a worker fails that has answered, such as for want of memory, the service begins anew
// in the page: `again()` sends it what it has to know.
export function openService(name, begin, slice, notify, again) {
  const sent = []; // messages, until the worker has answered
  let answered = false;
  let receive = null;
  const inPage = () => {
    receive = begin((report) => notify(report, false), resting(slice, nextFrame));
    sent.splice(0).forEach(receive);
  };
  try {
    const worker = new Worker(scriptAddress(), { name });
    worker.onmessage = (event) => {
      answered = true;
      sent.length = 0;
      notify(event.data, true);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      inPage();
      if (answered) again();
    };
    receive = (message) => {
      if (!answered) sent.push(message);
      worker.postMessage(message);
    };
  } catch {
    inPage();
  }
  return (...message) => receive(message);
}

// This script as a worker; `services` are functions by name.
export function serveInWorker(scope, services) {
  const receive = services[scope.name]((report) => scope.postMessage(report), resting(IN_WORKER, nextTask));
  scope.onmessage = (event) => receive(event.data);
  // The page is told of errors, but not of those in promises.
  scope.onunhandledrejection = ({ reason }) => setTimeout(() => {
    throw reason;
  });
}

// Whether it is time to rest: after `length` milliseconds `away()`, a promise, else null.
export function resting(length, away) {
  let began = performance.now();
  return () => {
    if (performance.now() - began < length) return null;
    return away().then(() => {
      began = performance.now();
    });
  };
}

// After the tasks that wait. (Timers wait for 4 ms.)
export function nextTask() {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });
}

function scriptAddress() {
  const text = document.querySelector('script[type="module"]').textContent;
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}
