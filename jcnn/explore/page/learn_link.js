// The training's worker.

import { makeService } from "./learn_service.js";
import { openService } from "./worker_link.js";

const IN_PAGE = 12; // milliseconds of work in a frame

// `notify` takes reports, and whether they came from a worker; `again` is called where a worker failed.
// Returns the function that sends messages.
export function openLearning(notify, again) {
  return openService("training", makeService, IN_PAGE, notify, again);
}
