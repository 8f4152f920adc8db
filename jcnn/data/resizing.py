"""One line on what resizing does to the images of a source."""

from collections.abc import Iterable

from jcnn.data.request import Resize

Shape = tuple[int, int, int]

_DONE = {"stretch": "stretched", "crop": "cropped", "pad": "padded"}


def resizing(shapes: Iterable[Shape], target: Shape, resize: Resize) -> str:
    """What resizing does, such as "images of 32 x 32 RGB become 28 x 28 grey".

    Args:
        shapes: `(H, W, C)` of the images, or of some of them.
        target: `(H, W, C)` that they are resized to.
        resize: as in `jcnn.data.read_image`.

    Returns:
        The empty string if the images stay as they are.
    """
    found = sorted(set(shapes), key=lambda shape: (shape[0] * shape[1], shape))
    if not found or found == [target]:
        return ""
    sizes = [_size(found[0]), _size(found[-1])]
    size = sizes[0] if sizes[0] == sizes[1] else " to ".join(sizes)
    colours = {_colour(shape[2]) for shape in found}
    colour = "grey and RGB" if len(colours) > 1 else colours.pop()
    height, width, channels = target
    kept = all(shape[0] * width == height * shape[1] for shape in found)
    how = "" if kept else f", {_DONE[resize]}"
    return f"images of {size} {colour} become {_size(target)} {_colour(channels)}{how}"


def _size(shape: Shape) -> str:
    return f"{shape[0]} x {shape[1]}"


def _colour(channels: int) -> str:
    return "grey" if channels == 1 else "RGB"
