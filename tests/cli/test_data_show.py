"""`jcnn data show`: the sheet contains the expected images; errors are one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from jcnn.data import Dataset, digits
from jcnn.data.sheet import COLUMNS, GAP, draw_sheet
from jcnn.data.transforms import parse
from tests.cli.process import Result
from tests.fashion import fashion_mnist_dir

Jcnn = Callable[..., Result]
Pixels = npt.NDArray[np.uint8]
RANDOM = np.random.default_rng(2)


def cells(sheet: Pixels, rows: int, height: int, width: int) -> Pixels:
    """The images of a sheet, `(rows, COLUMNS, height, width, 3)`, from its lower right corner."""
    grid = sheet[-rows * (height + GAP) :, -COLUMNS * (width + GAP) :]
    apart = grid.reshape(rows, height + GAP, COLUMNS, width + GAP, 3).swapaxes(1, 2)
    assert (apart[:, :, height:] == 255).all()
    assert (apart[..., width:, :] == 255).all()
    return apart[:, :, :height, :width]


def read(path: Path) -> Pixels:
    with Image.open(path) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.array(picture)


def labels_of(shown: Pixels, data: Dataset) -> list[int]:
    """The class of each image `(n, height, width, 3)`, looked up in the data by its pixels."""
    images = np.asarray(data.images[np.arange(len(data))])
    scale = shown.shape[1] // images.shape[1]
    found = []
    for picture in shown:
        small = picture[::scale, ::scale]
        np.testing.assert_array_equal(small.repeat(scale, 0).repeat(scale, 1), picture)
        (rows,) = (images == small[..., : images.shape[-1]]).all((1, 2, 3)).nonzero()
        found.append(int(data.labels[rows[0]]))
    return found


def test_originals_and_their_versions(jcnn: Jcnn, tmp_path: Path) -> None:
    out = tmp_path / "flipped.png"
    result = jcnn("data", "show", "digits", "--augment", "flip=1", "--out", out, "--count", "12")
    assert result == Result(0, f"{out}\n", "")
    found = cells(read(out), 12, 80, 80)
    assert labels_of(found[:, 0], digits()[0]) == [*range(10), 0, 1]
    for version in range(1, COLUMNS):
        np.testing.assert_array_equal(found[:, version], found[:, 0, :, ::-1])


def test_without_augmentation_a_row_shows_one_class(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert jcnn("data", "show", "digits") == Result(0, "sheet.png\n", "")
    found = cells(read(tmp_path / "sheet.png"), 8, 80, 80)
    assert len(np.unique(found.reshape(8 * COLUMNS, -1), axis=0)) == 8 * COLUMNS
    for label, row in enumerate(found):
        assert labels_of(row, digits()[0]) == [label] * COLUMNS


def test_the_genuine_fashion_mnist(jcnn: Jcnn, tmp_path: Path) -> None:
    out = tmp_path / "clothes.png"
    words = ["--augment", "shift,rotate,cutout", "--count", "10", "--out", out]
    assert jcnn("data", "show", f"idx:{fashion_mnist_dir()}", *words).code == 0
    found = cells(read(out), 10, 84, 84)
    for row in found:
        assert len(np.unique(row.reshape(COLUMNS, -1), axis=0)) == COLUMNS


def test_the_seed_decides(jcnn: Jcnn, tmp_path: Path) -> None:
    words = ["data", "show", "digits", "--augment", "brightness", "--count", "1", "--seed"]
    sheets = []
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        assert jcnn(*words, str(seed), "--out", tmp_path / name).code == 0
        sheets.append((tmp_path / name).read_bytes())
    assert sheets[0] == sheets[1] != sheets[2]


def colours(
    shape: tuple[int, int, int] = (30, 20, 3), names: tuple[str, ...] = ("a", "b")
) -> Dataset:
    images = RANDOM.integers(0, 256, (4, *shape), np.uint8)
    return Dataset(images, np.array([0, 1, 1, 1], np.int32), names)


def test_mixup_blends_with_the_other_rows() -> None:
    data = colours((100, 90, 3))
    sheet = np.array(draw_sheet(data, parse("mixup=1"), rows=4))
    found = cells(sheet, 4, 100, 90).astype(np.float64)
    originals = found[:, 0].reshape(4, -1)
    for row, versions in enumerate(found[:, 1:]):
        for version in versions.reshape(COLUMNS - 1, -1):
            shares = np.linalg.lstsq(originals.T, version)[0]
            assert shares.sum() == pytest.approx(1, abs=0.01)
            assert shares.argmax() == row
            assert np.sort(shares)[:2] == pytest.approx(0, abs=0.01)


def test_fewer_pictures_than_rows_and_columns() -> None:
    assert np.array(draw_sheet(colours(), parse("flip"), rows=9)).shape[0] < 4 * (90 + GAP) + 40
    found = cells(np.array(draw_sheet(colours(), (), rows=9)), 2, 90, 60)
    assert (found[0, 1:] == 255).all()
    assert (found[1, 3:] == 255).all()
    assert (found[1, :3] != 255).any((1, 2, 3)).all()


def test_a_large_picture_is_reduced() -> None:
    data = Dataset(np.full((1, 600, 300, 1), 77, np.uint8), np.zeros(1, np.int32), ("one",))
    found = cells(np.array(draw_sheet(data, ())), 1, 200, 100)
    assert (found[0, 0] == 77).all()


def test_labels_stay_short_and_on_one_line() -> None:
    plain = draw_sheet(colours(), ())
    assert draw_sheet(colours(names=("x" * 10_000, "b")), ()).width < plain.width + 400
    assert draw_sheet(colours(names=("a\nb" * 8, "b")), ()).height == plain.height


def test_pictures_of_two_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^images: got 2 channels; accepted: 1 or 3$"):
        draw_sheet(colours((5, 5, 2)), ())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("show", "SOURCE"),
        ("shw digits", "command: got 'shw'; accepted: show, pack, cache, list; see"),
        (
            "--json show digits",
            "--json: got a command too; accepted: with the list of sources only",
        ),
        ("show digits --agment flip", "; did you mean '--augment'?"),
        ("show mnist6k", "data: got 'mnist6k'; accepted: mnist5k, "),
        ("show digits --augment blur", "augment: got 'blur'; accepted: flip, flip_vertical"),
        ("show digits --augment zoom=2", "augment: got 'zoom=2'; accepted: zoom=SHARE, 0 to 0.9"),
        ("show digits --count 0", "--count: got 0; accepted: an int, 1 to 100"),
        ("show digits --count 101", "--count: got 101;"),
        ("show digits --seed -1", "--seed: got -1; accepted: an int, 0 <= seed < 2**32"),
        ("show digits --out a.jpg", "--out: got 'a.jpg'; accepted: a name that ends in .png"),
        ("show digits --out no/a.png", "no: no such folder"),
        ("show digits --out folder.png", "folder.png: cannot be written (Is a directory)"),
    ],
)
def test_a_mistake_is_one_line(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    result = jcnn("data", *words.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jcnn: ")
    assert result.err.count("\n") == 1
    assert named in result.err
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.png"]
    assert not list((tmp_path / "folder.png").iterdir())


def test_list_is_what_data_alone_prints(jcnn: Jcnn) -> None:
    assert jcnn("data", "list") == jcnn("data")
    assert jcnn("data", "--json", "list") == jcnn("data", "--json")
