// A picture file's pixels, as the browser reads it: upright, without a colour profile, the first frame.

// {data: RGBA bytes, width, height}; fails where the browser cannot read the file.
//
// A canvas keeps colours multiplied by their opacity, which loses digits of transparent ones, but
// none that count: laid over white they are `round(colour * alpha / 255) + 255 - alpha`, and the
// canvas keeps that product. It makes it itself: the decoder of WebP would round in another way. Of
// 16 bits a browser keeps the high byte, where Pillow's grey is rounded: that may differ by 1.
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
