"""All sources give the same Fashion-MNIST images and labels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn.config import TrainConfig
from jcnn.data import Dataset, load
from jcnn.models import build
from jcnn.train import fit
from tests.data.sources.tfds_sets import own_places, pairs_of
from tests.fashion import fashion_mnist_dir
from tests.train.small import assert_same_bits


def write_pngs(folder: Path, part: str, data: Dataset) -> None:
    """Write DIR/train/0 shirt/00000.png and so on; the number keeps the order of the classes."""
    for label, name in enumerate(data.class_names):
        place = folder / part / f"{label} {name.replace('/', ' or ')}"
        place.mkdir(parents=True)
        for row in np.flatnonzero(data.labels == label):
            Image.fromarray(np.asarray(data.images)[row, ..., 0]).save(place / f"{row:05d}.png")


def in_one_order(data: Dataset) -> Dataset:
    """Sorted by the images' bytes."""
    keys = [
        (picture.tobytes(), label)
        for picture, label in zip(np.asarray(data.images), data.labels.tolist(), strict=True)
    ]
    return data.take(np.array(sorted(range(len(keys)), key=keys.__getitem__)))


@pytest.mark.slow
def test_tfds_idx_and_a_folder_of_pngs_are_one_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    originals = fashion_mnist_dir()
    own_places(monkeypatch, tmp_path)
    plain = load(f"idx:{originals}")
    for part, data in zip(("train", "test"), plain, strict=True):
        write_pngs(tmp_path / "pngs", part, data)
    sources = {
        "idx": plain,
        "tfds": load("fashion_mnist", originals),
        "folder": load(f"folder:{tmp_path / 'pngs'}", image_shape=(28, 28, 1)),
    }
    for train, test in sources.values():
        assert (len(train), len(test)) == (60_000, 10_000)
        assert pairs_of(train) == pairs_of(plain[0])
        assert pairs_of(test) == pairs_of(plain[1])

    # The sources differ in order; in the same order, training gives the same result.
    models = []
    for train, _ in sources.values():
        model = build("mlp", train.image_shape, 10)
        fit(model, in_one_order(train), TrainConfig(epochs=1, augment="shift,flip"))
        models.append(model)
    assert_same_bits(models[0], models[1])
    assert_same_bits(models[0], models[2])
