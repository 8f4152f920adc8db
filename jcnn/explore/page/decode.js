// Decode a picture file: first frame, orientation applied, colour profile ignored.

// Returns {data: RGBA bytes, width, height}; rejects if the browser cannot read the file.
//
// A canvas stores colours premultiplied by alpha, which loses digits of transparent ones, but none
// that matter: over white a colour is `round(colour * alpha / 255) + 255 - alpha`, and the canvas
// stores that product. The canvas multiplies, because the WebP decoder would round differently. Of
// 16 bits a browser keeps the high byte, whereas Pillow rounds grey: these may differ by 1.
export async function decoded(file) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { data: context.getImageData(0, 0, width, height).data, width, height };
}
