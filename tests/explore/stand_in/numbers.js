// Stand-in for the page's own numbers.js, until that is there: unpack what built.py packs.

export async function unpack(document) {
  const network = JSON.parse(document.getElementById("network").textContent);
  const bytes = Uint8Array.from(atob(document.getElementById("numbers").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = planes.length / 4;
  const woven = new Uint8Array(planes.length);
  for (let i = 0; i < count; i++) for (let p = 0; p < 4; p++) woven[4 * i + p] = planes[p * count + i];
  const all = new Float32Array(woven.buffer);
  const array = ([offset, shape]) => ({ data: all.subarray(offset, offset + shape.reduce((a, b) => a * b, 1)), shape });
  for (const layer of network.layers) {
    for (const name of Object.keys(layer.arrays)) layer.arrays[name] = array(layer.arrays[name]);
  }
  for (const check of network.checks) check.outputs = check.outputs.map((one) => one && array(one));
  for (const picture of network.pictures) {
    picture.pixels = Uint8Array.from(atob(picture.pixels), (c) => c.charCodeAt(0));
  }
  return network;
}
