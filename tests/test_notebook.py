"""What a notebook shows for results and drawings; and pandas on a history."""

import base64
import io
import math
import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageSequence

from jcnn.data import Dataset, digits
from jcnn.models import LayerRow, Summary, build, summary, zoo_summary
from jcnn.ops import explain_conv
from jcnn.report import activation_strips, convolution_gif, network_diagram
from jcnn.report.diagram import draw_summary
from jcnn.runs.history import EpochResult, History, epoch_result
from jcnn.train.scores import scores
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


def test_metrics_are_columns_of_the_frame() -> None:
    pandas = pytest.importorskip("pandas")
    plain = {"epoch": 1, "loss": 0.5, "accuracy": None, "val_loss": 1.0, "val_accuracy": None}
    row = epoch_result(**plain, seconds=1.0, images_per_second=9.0, f1=0.25, val_f1=0.75)
    frame = pandas.DataFrame(History((row,)))
    assert list(frame.columns)[-2:] == ["f1", "val_f1"]
    assert frame["val_f1"].tolist() == [0.75]
    assert list(pandas.DataFrame(History((row,)).rows()).columns) == list(frame.columns)
    assert len(pandas.DataFrame(History())) == 0


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


def test_an_explanation_of_a_convolution_is_a_table() -> None:
    found = explain_conv((64, 28, 28, 32), (3, 3, 32, 64), platform="cpu")
    header, *rows = cells(found._repr_html_())
    assert header == ["convolution", "lowering", "why", "milliseconds", "table", "cost"]
    assert [row[0] for row in rows] == list(found) == ["forward", "by input", "by kernel"]
    for row, choice in zip(rows, found.values(), strict=True):
        assert row[1:3] == [choice.lowering, choice.reason]
        assert choice.line is not None
        assert f"{choice.lowering} {choice.line.milliseconds[choice.lowering]:.3g}" in row[3]
        assert len(repr(choice)) < 2000  # without the table of measurements
    assert repr(found) == str(found)
    assert str(Path.home()) not in found._repr_html_()
    unknown = explain_conv((1, 5, 5, 2), (3, 3, 2, 2), dtype="float16", platform="tpu")
    assert cells(unknown._repr_html_())[1][3:] == ["-", "-", "-"]


def test_drawings_are_pictures() -> None:
    """By the methods that IPython calls; text and bytes are as before."""
    drawn = network_diagram(build("conv1"), (28, 28, 1))
    assert drawn._repr_svg_() == drawn == draw_summary(zoo_summary("conv1"))
    assert ElementTree.fromstring(drawn._repr_svg_()).tag.endswith("svg")
    gif = convolution_gif([[1, 2], [3, 4]], [[1]])
    shown = gif._repr_mimebundle_(include=None, exclude=None)
    assert list(shown) == ["image/gif"]
    opened = Image.open(io.BytesIO(base64.b64decode(shown["image/gif"], validate=True)))
    assert (opened.format, len(list(ImageSequence.Iterator(opened)))) == ("GIF", 5)
    strips = activation_strips(build("conv1"), np.zeros((28, 28, 1), np.uint8))
    assert Image.open(io.BytesIO(strips._repr_png_())).format == "PNG"


def test_scores_are_a_table() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], np.float32)
    found = scores(p, np.array([0, 1, 1], np.int32), ("<a>", "b"))
    header, *rows, total = cells(found._repr_html_())
    assert header == ["class", "precision", "recall", "F1", "images"]
    assert rows == [
        ["&lt;a&gt;", "0.5000", "1.0000", "0.6667", "1"],
        ["b", "1.0000", "0.5000", "0.6667", "2"],
    ]
    assert (total[0], total[1], total[-1]) == ("all", "accuracy 0.6667", "3")


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
