// The network out of the page: its description, and the numbers that the description points into.

// The network with {data: Float32Array, shape} where the page says [offset, shape], and every
// picture's pixels as a Uint8Array.
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
  return network;
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

// Every number's first byte, then every number's second, ...: back to numbers. The bytes of a
// number are little-endian in the page, as they are in every machine that runs a browser.
function fromPlanes(planes) {
  const count = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++) {
    for (let i = 0; i < count; i++) bytes[4 * i + plane] = planes[plane * count + i];
  }
  return new Float32Array(bytes.buffer);
}
