// Change something again and again; milliseconds from each change to the frame that shows it.
async ([turns, act]) => {
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
}
