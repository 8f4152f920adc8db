"""`jcnn draw`: it writes what the library draws; errors are one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn.data import read_image
from jcnn.models import zoo_summary
from jcnn.report import activation_strips, convolution_gif, filter_sheet
from jcnn.report.diagram import draw_summary
from jcnn.runs import load
from tests.cli.conftest import Trained
from tests.cli.process import Result

Jcnn = Callable[..., Result]


def test_strips_and_filters_of_a_run(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    picture, out = tmp_path / "picture.png", tmp_path / "out.png"
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 10, 3)).save(picture)
    model, config = load(trained.run)
    words = ["--layers", "dense", "conv2d", "--most", "7", "--out", out]
    assert jcnn("draw", "strips", trained.run, picture, *words) == Result(0, f"{out}\n", "")
    image = read_image(picture, config.input_shape)
    expected = activation_strips(model, image, layers=["conv2d", "dense"], most=7)
    assert out.read_bytes() == expected.png
    words = ["--layer", "conv2d", "--out", out]
    assert jcnn("draw", "filters", trained.run, *words) == Result(0, f"{out}\n", "")
    assert out.read_bytes() == filter_sheet(model).png


def test_a_network_of_the_zoo(jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["draw", "network", "conv2pool", "--input-shape", "32", "30", "3", "--classes", "7"]
    assert jcnn(*words) == Result(0, "network.svg\n", "")
    drawn = (tmp_path / "network.svg").read_text(encoding="utf-8")
    assert drawn == draw_summary(zoo_summary("conv2pool", (32, 30, 3), 7))


def test_a_convolution(jcnn: Jcnn, tmp_path: Path) -> None:
    out = tmp_path / "steps.gif"
    grids = ["--input", "0 0.1 1;1 -2 3; 4 5 6", "--kernel", "1 -0.5"]
    words = ["--padding", "same", "--stride", "2", "--dilation", "1", "--seconds", "0.5"]
    assert jcnn("draw", "convolution", *grids, *words, "--out", out) == Result(0, f"{out}\n", "")
    x = np.array([[0, 0.1, 1], [1, -2, 3], [4, 5, 6]])
    expected = convolution_gif(x, [[1.0, -0.5]], padding="SAME", stride=2, seconds=0.5)
    assert out.read_bytes() == expected
    assert jcnn("draw", "convolution", *grids, "--padding", "2", "--out", out).code == 0
    assert out.read_bytes() == convolution_gif(x, [[1.0, -0.5]], padding=2)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "kernel.csv").write_text("1,-0.5\n", encoding="utf-8")
    files = ["--input", tmp_path / "x.npy", "--kernel", tmp_path / "kernel.csv"]
    assert jcnn("draw", "convolution", *files, "--padding", "2", "--out", out).code == 0
    assert out.read_bytes() == convolution_gif(x, [[1.0, -0.5]], padding=2)


CONVOLUTION = ["convolution", "--kernel", "1", "--input"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "strips, filters, network, convolution"),
        (["network", "conv3"], "model: got 'conv3'; accepted: mlp, "),
        (["network", "conv1", "--input-shape", "0", "1", "1"], "--input-shape: got (0, 1, 1);"),
        (["network", "conv1", "--classes", "0"], "--classes: got 0; accepted: an int >= 1"),
        (["network", "conv1", "--out", "a.png"], "--out: got 'a.png'; accepted: a name that ends"),
        (["network", "conv1", "--out", "no/a.svg"], "--out: no: no such folder"),
        (["network", "conv1", "--out", "folder.svg"], "folder.svg: cannot be written (Is a dir"),
        (["filters", "nowhere"], "nowhere: is no run folder"),
        (["strips", "nowhere", "a.png"], "nowhere: is no run folder"),
        ([*CONVOLUTION, "1 2; 3"], "--input: row 1 has 1 numbers; accepted: 2, as in row 0"),
        ([*CONVOLUTION, ""], "--input: empty; accepted: numbers such as '0 1; 1 0'"),
        ([*CONVOLUTION, "1 x"], "--input: row 0: got 'x'; accepted: a number such as"),
        ([*CONVOLUTION, "1 nan"], "--input: row 0: got 'nan'; accepted: a number such as"),
        ([*CONVOLUTION, "-1e7"], "jcnn: --input: got -10000000.0; accepted: -1,000,000 to 1,000,0"),
        (
            [*CONVOLUTION, "1;" * 13],
            "jcnn: --input: got shape (13, 1); accepted: (H, W) from 1 x 1",
        ),
        ([*CONVOLUTION, "1;" * 8, "--kernel", "1;" * 8], "jcnn: --kernel: got shape (8, 1); acc"),
        ([*CONVOLUTION, "1", "--kernel", "1 2"], "kernel: a window of 1x2"),
        ([*CONVOLUTION, "1", "--stride", "-1"], "stride: got -1"),
        (
            [*CONVOLUTION, "1", "--out", "folder.svg/a.gif/b.gif"],
            "folder.svg/a.gif: no such folder",
        ),
        ([*CONVOLUTION, "none.csv"], "jcnn: none.csv: no such file"),
        ([*CONVOLUTION, "./folder.svg"], "jcnn: folder.svg: not a regular file"),
        ([*CONVOLUTION, "1 | 2"], "--input: got 2 channels; accepted: one"),
        ([*CONVOLUTION, "1", "--padding", "full"], "--padding: got 'full'; accepted: valid, same"),
        ([*CONVOLUTION, "1", "--padding", "9"], "padding: got 9, which makes the input 19 x 19"),
        ([*CONVOLUTION, "1", "--stride", "0"], "stride: got 0"),
        ([*CONVOLUTION, "1", "--seconds", "0"], "seconds: got 0.0; accepted: 0.02 to 60"),
    ],
)
def test_a_mistake_is_one_line(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    result = jcnn("draw", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jcnn: ")
    assert result.err.count("\n") == 1
    assert named in result.err
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.svg"]
