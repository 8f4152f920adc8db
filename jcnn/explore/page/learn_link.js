// The training's worker, made of the page's own script; where a browser refuses workers, the training
// runs in the page, in slices between which the browser paints.

import { makeService, resting } from "./learn_service.js";
import { nextFrame } from "./occlusion.js";

const IN_PAGE = 12; // milliseconds of work in a frame

// `notify` takes reports, and whether they came from a worker. Returns the function that sends messages.
export function openLearning(notify) {
  const sent = []; // messages, until the worker has answered
  let answered = false;
  let receive = null;
  const inPage = () => {
    receive = makeService((report) => notify(report, false), resting(IN_PAGE, nextFrame));
    sent.splice(0).forEach(receive);
  };
  try {
    const worker = new Worker(scriptAddress());
    worker.onmessage = (event) => {
      answered = true;
      notify(event.data, true);
    };
    worker.onerror = (event) => {
      if (answered) return;
      event.preventDefault();
      worker.terminate();
      inPage();
    };
    receive = (message) => {
      if (!answered) sent.push(message);
      worker.postMessage(message);
    };
  } catch {
    inPage();
  }
  return (name, value) => receive([name, value]);
}

function scriptAddress() {
  const text = document.querySelector('script[type="module"]').textContent;
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}
