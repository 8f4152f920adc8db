"""Small folders of images that all differ."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from jcnn.data import Dataset, Note, Reading, load

Event = Reading | Note
COUNTS = {"ant": 10, "bee": 5, "cat": 3}


def pixels(seed: int, height: int = 4, width: int = 6) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def write(path: Path, seed: int = 0, height: int = 4, width: int = 6) -> Path:
    """Write the grey image number `seed`, in the format of the file name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed, height, width)).save(path)
    return path


def write_classes(folder: Path, counts: Mapping[str, int], first_seed: int = 0) -> Path:
    """Write `counts[name]` images `NAME/00.png`, ... of each class."""
    seed = first_seed
    for name, count in counts.items():
        for number in range(count):
            write(folder / name / f"{number:02}.png", seed)
            seed += 1
    return folder


def expected_pictures() -> set[tuple[str, bytes]]:
    """The images of `write_classes(folder, COUNTS)`, as `images` returns them."""
    names = [name for name, count in COUNTS.items() for _ in range(count)]
    return {(name, pixels(seed).tobytes()) for seed, name in enumerate(names)}


def pictures(*parts: Dataset) -> set[tuple[str, bytes]]:
    """Every image with the name of its class."""
    return {
        (part.class_names[label], picture.tobytes())
        for part in parts
        for picture, label in zip(np.asarray(part.images), part.labels, strict=True)
    }


def refused(
    folder: Path,
    error: type[Exception] = ValueError,
    on_bad_image: Literal["error", "skip"] = "error",
    image_shape: tuple[int, int, int] | None = None,
) -> str:
    """Load a folder that must raise a one-line DataError; return the line without its path."""
    with pytest.raises(error) as caught:
        load(f"folder:{folder}", on_bad_image=on_bad_image, image_shape=image_shape)
    message = str(caught.value)
    assert message.isprintable()
    return re.sub(f"^{re.escape(str(folder))}/?", "", message)


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]
