"""A small picture folder, drawn: for experiments on folders where none is given."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "cross", "ring", "square", "star", "triangle")


def draw_folder(folder: Path, *, train: int, test: int, size: int = 64, seed: int = 0) -> None:
    """Draw pictures of six shapes into FOLDER/train/SHAPE and FOLDER/test/SHAPE.

    Place, size, angle, colour and background are random, and there is noise.

    Args:
        folder: made where missing.
        train: pictures of each shape.
        test: likewise.
        size: height and width in pixels.
        seed: the same seed gives the same pictures.
    """
    rng = np.random.default_rng(seed)
    for part, count in (("train", train), ("test", test)):
        for shape in SHAPES:
            place = folder / part / shape
            place.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                draw(shape, size, rng).save(place / f"{i:04d}.png")


def draw(shape: str, size: int, rng: np.random.Generator) -> Image.Image:
    """One picture of a shape, RGB."""
    back, front = rng.integers(0, 256, (2, 3))
    while abs(int(back.sum()) - int(front.sum())) < 150:  # it must be seen
        back, front = rng.integers(0, 256, (2, 3))
    picture = Image.new("RGB", (size, size), tuple(map(int, back)))
    radius = size * rng.uniform(0.2, 0.35)
    x, y = rng.uniform(radius, size - radius, 2)
    turn = rng.uniform(0, 2 * np.pi)
    paint, ink = ImageDraw.Draw(picture), tuple(map(int, front))
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        paint.ellipse(box, fill=ink)
    elif shape == "ring":
        paint.ellipse(box, outline=ink, width=max(2, round(radius / 4)))
    else:
        paint.polygon(_corners(shape, x, y, radius, turn), fill=ink)
    noisy = np.asarray(picture) + rng.normal(0, 12, (size, size, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _corners(
    shape: str, x: float, y: float, radius: float, turn: float
) -> list[tuple[float, float]]:
    """Corners around (x, y): of each, its share of the circle and of the radius."""
    outlines = {
        "triangle": [(i / 3, 1.0) for i in range(3)],
        "square": [(i / 4, 1.0) for i in range(4)],
        "star": [(i / 10, 1.0 if i % 2 == 0 else 0.4) for i in range(10)],
        "cross": [
            (arm / 4 + off, length)
            for arm in range(4)
            for off, length in ((-0.05, 1.0), (0.05, 1.0), (0.125, 0.4))
        ],
    }
    points = []
    for share, length in outlines[shape]:
        angle = turn + 2 * np.pi * share
        points.append((x + radius * length * np.cos(angle), y + radius * length * np.sin(angle)))
    return points
