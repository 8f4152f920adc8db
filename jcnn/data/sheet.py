"""Draws a contact sheet: examples of a data set, each with augmented versions."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from jcnn.data._files import show
from jcnn.data.augment import augment, mix
from jcnn.data.batches import normalise
from jcnn.data.dataset import Dataset
from jcnn.data.transforms import Transform, mixup_alpha

COLUMNS = 9
"""Images in a row."""
GAP = 4
"""Pixels between images."""
_LEAST_SIDE, _LARGEST_SIDE = 80, 256
_LONGEST_LABEL = 30
_TEXT_SIZE = 14

Pixels = npt.NDArray[np.uint8]


def draw_sheet(
    dataset: Dataset, transforms: tuple[Transform, ...], *, rows: int = 8, seed: int = 0
) -> Image.Image:
    """Draw examples with the names of their classes, one of each class if there are enough rows.

    A row is an example and 8 augmented versions of it; mixup blends it with other rows. Without
    transforms, a row is 9 examples of one class. Images with sides below 80 pixels are enlarged by
    a whole factor without interpolation; those above 256 pixels are reduced.

    Args:
        dataset: images of 1 or 3 channels; of streamed images, only those drawn are read.
        transforms: from `parse`.
        rows: the largest number of rows; there are fewer if the data set has fewer images.
        seed: of the choice of examples and of the augmentation.

    Returns:
        An RGB image. The cells, `COLUMNS` in a row, end at the lower right corner, with `GAP`
        pixels after each.

    Raises:
        ValueError: the images have another number of channels, or no classes.
        DataError: a streamed image cannot be read.
    """
    if dataset.image_shape[2] not in (1, 3):
        raise ValueError(f"images: got {dataset.image_shape[2]} channels; accepted: 1 or 3")
    if not dataset.has_classes:
        raise ValueError("dataset: got labels (N, K); accepted: one class for each image, (N,)")
    chosen = _choose(dataset, rows, 1 if transforms else COLUMNS, seed)
    cells = [[*dataset.images[numbers]] for numbers in chosen]
    if transforms:
        originals = np.stack([row[0] for row in cells])
        for version in _versions(originals, transforms, seed):
            for row, image in zip(cells, version, strict=True):
                row.append(image)
    names = [dataset.class_names[dataset.labels[numbers[0]]] for numbers in chosen]
    words = ", ".join(f"{t.name} {t.strength:g}" for t in transforms)
    return _draw(cells, names, ("original", words) if transforms else ("", ""))


def _choose(dataset: Dataset, rows: int, each: int, seed: int) -> list[npt.NDArray[np.intp]]:
    """Row numbers: `each` images of every class in turn, then the next ones of every class."""
    order = np.random.default_rng(seed).permutation(len(dataset))
    labels = dataset.labels[order]
    classes = [order[labels == label] for label in range(len(dataset.class_names))]
    starts = range(0, max(map(len, classes)), each)
    found = [numbers[i : i + each] for i in starts for numbers in classes if len(numbers) > i]
    return found[:rows]


def _versions(images: Pixels, transforms: tuple[Transform, ...], seed: int) -> Pixels:
    """8 augmented versions of the images `(B, H, W, C)`, as a batch in training."""
    alpha = mixup_alpha(transforms)

    @jax.jit
    def version(images: jax.Array, key: jax.Array) -> jax.Array:
        augment_key, mix_key = jax.random.split(key)
        x = augment(normalise(images), augment_key, transforms)
        return mix(x, jnp.zeros((len(x), 1)), mix_key, alpha)[0] if alpha else x

    keys = jax.random.split(jax.random.key(seed), COLUMNS - 1)
    versions = jnp.stack([version(images, key) for key in keys])
    return np.asarray(jnp.round(versions * 255), np.uint8)


def _draw(cells: list[list[Pixels]], names: list[str], headings: tuple[str, str]) -> Image.Image:
    tiles = [[_tile(image) for image in row] for row in cells]
    labels = [_label(name) for name in names]
    font = ImageFont.load_default(_TEXT_SIZE)
    height, width = tiles[0][0].height + GAP, tiles[0][0].width + GAP
    left = 3 * GAP + round(max(map(font.getlength, labels)))
    top = _TEXT_SIZE + 3 * GAP
    sheet = Image.new("RGB", (left + COLUMNS * width, top + len(tiles) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for text, column in zip(headings, (0, 1), strict=True):
        draw.text((left + column * width, GAP), text, "black", font)
    for i, (label, row) in enumerate(zip(labels, tiles, strict=True)):
        y = top + i * height
        draw.text((GAP, y + height / 2), label, "black", font, anchor="lm")
        for j, tile in enumerate(row):
            sheet.paste(tile, (left + j * width, y))
    return sheet


def _tile(image: Pixels) -> Image.Image:
    """An image, enlarged or reduced for the sheet."""
    side = max(image.shape[:2])
    larger, smaller = -(-_LEAST_SIDE // side), -(-side // _LARGEST_SIDE)
    enlarged = image.repeat(larger, 0).repeat(larger, 1)
    tile = Image.fromarray(enlarged[..., 0] if image.shape[2] == 1 else enlarged)
    return tile.convert("RGB").reduce(smaller)


def _label(name: str) -> str:
    text = show(name)
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 3]}..."
