"""How long after a change the page shows it: 200 ms at most, for a network like conv2pool."""

import numpy as np
import pytest

from tests.explore.built import built, conv, plain, pool
from tests.explore.small import OpenPage, at, drawn

_SAME = ((1, 1), (1, 1))
_TURNS = 20
_TIMES = """async ([turns, act]) => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel(); // heard after the frame's drawing
    port1.onmessage = () => done();
    port2.postMessage(0);
  }));
  const prepare = {
    picture: async (turn) => () => document.querySelectorAll(".thumb")[turn % 2].click(),
    stroke: async (turn) => {
      const pad = document.querySelector(".pad-frame");
      pad.setPointerCapture = () => {}; // there is no real pointer
      const { x, y } = pad.getBoundingClientRect();
      const send = (type, down) => pad.dispatchEvent(new PointerEvent(type, {
        clientX: x + 30 + 10 * turn, clientY: y + down, pointerId: 1, bubbles: true }));
      send("pointerdown", 40);
      await frame();
      return () => send("pointermove", 200);
    },
    kernel: async (turn) => {
      const cell = document.querySelectorAll("[data-grid=kernel] .cell")[turn % 9];
      cell.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
      const field = cell.querySelector("input");
      field.value = String(Math.sin(turn));
      const enter = new KeyboardEvent("keydown", { key: "Enter", bubbles: true });
      return () => field.dispatchEvent(enter);
    },
  }[act];
  const shown = () => [...document.querySelectorAll(".amount")].map((e) => e.dataset.value).join();
  const times = [];
  for (let turn = 1; turn <= turns; turn++) {
    const change = await prepare(turn);
    await new Promise((done) => setTimeout(done, 100));
    const before = shown();
    const start = performance.now();
    change();
    await frame();
    times.push(performance.now() - start);
    if (shown() === before) throw new Error("nothing was changed");
  }
  return times;
}"""


@pytest.mark.parametrize("act", ["picture", "stroke", "kernel"])
def test_a_change_is_shown_within_200_ms(browser_page: OpenPage, act: str) -> None:
    chain = [
        conv("conv2d", (28, 28, 1), 0.3 * drawn(1, 3, 3, 1, 32), drawn(2, 32), padding=_SAME),
        plain("conv2d relu", "activation", [28, 28, 32], function="relu"),
        conv("conv2d_1", (28, 28, 32), 0.1 * drawn(3, 3, 3, 32, 64), drawn(4, 64), padding=_SAME),
        plain("conv2d_1 relu", "activation", [28, 28, 64], function="relu"),
        pool("max_pool", (28, 28, 64), (2, 2)),
        plain("flatten", "flatten", [14, 14, 64], [12544]),
        plain("dense", "dense", [12544], [10], arrays={"kernel": 0.01 * drawn(5, 12544, 10)}),
        plain("softmax", "softmax", [10]),
    ]
    pictures = np.random.default_rng(6).integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    page = browser_page(built(chain, pictures, classes=[str(i) for i in range(10)]))
    if act == "stroke":
        page.locator('[data-tool="draw"]').click()
    if act == "kernel":
        at(page, 0, 2003)
    times = page.evaluate(_TIMES, [_TURNS, act])
    assert len(times) == _TURNS
    assert np.median(times) < 200, times
