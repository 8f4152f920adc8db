"""Draw a small folder of images for experiments that are run without one."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "cross", "ring", "square", "star", "triangle")


def draw_folder(folder: Path, *, train: int, test: int, size: int = 64, seed: int = 0) -> None:
    """Draw images of six shapes into FOLDER/train/SHAPE and FOLDER/test/SHAPE.

    Position, size, angle, colour and background are random, and noise is added.

    Args:
        folder: created if missing.
        train: training images per shape.
        test: test images per shape.
        size: height and width in pixels.
        seed: the same seed gives the same images.
    """
    rng = np.random.default_rng(seed)
    for part, count in (("train", train), ("test", test)):
        for shape in SHAPES:
            place = folder / part / shape
            place.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                draw(shape, size, rng).save(place / f"{i:04d}.png")


def draw(shape: str, size: int, rng: np.random.Generator) -> Image.Image:
    """Draw one RGB image of a shape."""
    back, front = rng.integers(0, 256, (2, 3))
    while abs(int(back.sum()) - int(front.sum())) < 150:  # the shape must be visible
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
    """Corners around (x, y), from fractions of a full turn and of the radius."""
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
