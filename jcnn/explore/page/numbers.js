// Read the network from the page: its description, and the numbers that it refers to.

// The network with {data: Float32Array, shape} in place of [offset, shape], and the pixels of the
// pictures as Uint8Arrays.
export async function unpack(document) {
  const network = JSON.parse(document.getElementById("network").textContent);
  const packed = bytesOfBase64(document.getElementById("numbers").textContent);
  const numbers = fromPlanes(await inflated(packed));
  const arrayAt = ([offset, shape]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return { data: numbers.subarray(offset, offset + count), shape };
  };
  for (const layer of network.layers) {
    for (const name of Object.keys(layer.arrays)) layer.arrays[name] = arrayAt(layer.arrays[name]);
  }
  for (const check of network.checks) {
    check.outputs = check.outputs.map((place) => place && arrayAt(place));
  }
  for (const picture of network.pictures) picture.pixels = bytesOfBase64(picture.pixels);
  if (network.learn) network.learn.pictures = picturesOf(bytesOfBase64(network.learn.pixels), network.learn.labels.length);
  if (network.top) network.top.pictures = network.top.pictures.map(bytesOfBase64);
  return network;
}

function picturesOf(pixels, count) {
  const size = pixels.length / count;
  return Array.from({ length: count }, (_, i) => pixels.subarray(i * size, (i + 1) * size));
}

function bytesOfBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Undo the byte planes: the first byte of every number, then the second of every number, ... Bytes
// are little-endian, as on every machine that runs a browser.
function fromPlanes(planes) {
  const count = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++) {
    for (let i = 0; i < count; i++) bytes[4 * i + plane] = planes[plane * count + i];
  }
  return new Float32Array(bytes.buffer);
}
