"""What a notebook shows for a data set, a history and a summary; and pandas on a history."""

import io
import math
import re
from collections.abc import Iterable

import numpy as np
import pytest
from PIL import Image

from jcnn.data import Dataset, digits
from jcnn.models import LayerRow, Summary, build, summary
from jcnn.runs.history import EpochResult, History
from tests.train import small

NAMES = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "images_per_second"]
HISTORY = History(
    (
        EpochResult(1, 1.625, 0.4375, None, None, 12.25, 880.0),
        EpochResult(2, math.nan, 0.75, None, None, 10.5, 1026.0),
    )
)


def cells(html: str) -> list[list[str]]:
    """The text of every row of a table."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def test_a_history_is_a_table() -> None:
    assert cells(HISTORY._repr_html_()) == [
        ["epoch", "loss", "accuracy", "seconds", "images per second"],
        ["1", "1.625", "0.4375", "12.25", "880"],
        ["2", "nan", "0.75", "10.5", "1026"],
    ]
    assert cells(History()._repr_html_()) == [["epoch"]]


def test_of_a_long_history_the_last_epochs_are_shown() -> None:
    long = History(tuple(EpochResult(i, 0.5, 0.5, 0.25, 0.75, 1.0, 9.0) for i in range(1, 1001)))
    header, gap, *rows = cells(long._repr_html_())
    assert "val accuracy" in header
    assert gap == ["..."] * len(header)
    assert [row[0] for row in rows] == [str(i) for i in range(971, 1001)]


def test_a_history_as_a_frame_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(HISTORY)
    assert list(frame.columns) == [*NAMES, "learning_rate"]
    assert frame["epoch"].tolist() == [1, 2]
    assert frame["loss"][0] == 1.625 and math.isnan(frame["loss"][1])
    assert frame["images_per_second"].mean() == 953.0


def test_a_history_is_its_epochs() -> None:
    """What pandas relies on: an iterable of dataclasses that is not a sequence."""
    assert isinstance(HISTORY, Iterable)
    assert list(HISTORY) == list(HISTORY.epochs)
    assert len(list(HISTORY)) == len(HISTORY)


def test_a_summary_is_a_table() -> None:
    found = summary(build("conv1"), (28, 28, 1))
    header, image, *rows, total = cells(found._repr_html_())
    assert header[:4] == ["layer", "type", "output", "parameters"]
    assert image[:3] == ["input", "", "28x28x1"]
    assert len(rows) == len(found.layers)
    assert sum(int(row[3].replace(",", "")) for row in rows) == found.params
    assert rows[0][2:4] == ["x".join(map(str, found.layers[0].output_shape)), "320"]
    assert total[3] == f"{found.params:,}"


def test_names_are_text_and_not_tags() -> None:
    row = LayerRow("<b>&", "Dense", (3,), 12, 9, 12, None)
    html = Summary((3,), (row,), 12, 9, 12)._repr_html_()
    assert "&lt;b&gt;&amp;<" in html
    assert "<b>" not in html


def sheet(dataset: Dataset) -> np.ndarray:
    png = dataset._repr_png_()
    assert png is not None
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_a_data_set_is_a_sheet_of_its_images() -> None:
    """A data set of one image shows it, enlarged tenfold, with every pixel."""
    _, test = digits()
    found = sheet(test.take(slice(5, 6)))
    pixels = np.asarray(test.images)[5, ..., 0].repeat(10, 0).repeat(10, 1)
    windows = np.lib.stride_tricks.sliding_window_view(found[..., 0], (80, 80))
    assert (windows == pixels).all(axis=(2, 3)).any()
    assert sheet(test).shape[0] > found.shape[0]


def test_a_sheet_of_large_images_is_reduced() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 250, 250, 3)).astype(np.uint8)
    dataset = Dataset(images, np.arange(40, dtype=np.int32) % 4, tuple("abcd"))
    assert sheet(dataset).shape[1] == 1000


def test_a_data_set_of_other_channels_has_no_sheet() -> None:
    assert small.dataset()._repr_png_() is None
