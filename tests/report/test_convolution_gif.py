"""The frames of the animation, read from the file: each cell by its colour and its text."""

import io
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from jcnn.ops import resolve_window
from jcnn.report import convolution_gif
from jcnn.report.canvas import CELL, DONE, GROUNDS, LINES, PADDED, PAPER, READ, READ_PADDED
from jcnn.report.cell_numbers import read_grid, shown
from jcnn.report.figure import INK, rgb
from jcnn.trace import Convolution, convolve
from tests.ops.conv import oracle

Colours = npt.NDArray[np.uint8]
RANDOM = np.random.default_rng(5)
# Stride, dilation, padding of each side, an even kernel and one that is not square.
SETTINGS: list[tuple[tuple[int, int], tuple[int, int], dict[str, Any]]] = [
    ((5, 5), (3, 3), {}),
    ((4, 5), (3, 3), {"padding": "SAME"}),
    ((5, 4), (2, 3), {"padding": ((1, 0), (2, 1)), "stride": (1, 2)}),
    ((6, 7), (2, 2), {"dilation": (3, 2), "padding": 1, "stride": 2}),
]


def convolved(x: npt.ArrayLike, kernel: npt.ArrayLike, **settings: Any) -> Convolution:
    """The convolution that an animation of these grids shows."""
    return convolve((read_grid("x", x, 9),), (read_grid("kernel", kernel, 9),), **settings)


def frames(gif: bytes) -> list[Colours]:
    opened = Image.open(io.BytesIO(gif))
    assert opened.format == "GIF"
    found = []
    for number in range(getattr(opened, "n_frames", 1)):
        opened.seek(number)
        found.append(np.array(opened.convert("RGB")))
    return found


def first_line(frame: Colours) -> tuple[int, int]:
    """Row and column of the upper left pixel of the input grid, in a frame without a window."""
    row, column = np.argwhere((frame == rgb(GROUNDS[LINES])).all(axis=-1))[0]
    return int(row), int(column)


def grounds(frame: Colours, top: int, left: int, rows: int, columns: int) -> list[list[int]]:
    """The background of each cell; with short numbers, cells are square."""
    known = [tuple(rgb(colour).tolist()) for colour in GROUNDS]
    return [
        [known.index(tuple(frame[top + CELL * i + 6, left + CELL * j + 6])) for j in range(columns)]
        for i in range(rows)
    ]


def ink(frame: Colours, top: int, left: int, rows: int, columns: int) -> npt.NDArray[np.bool_]:
    """Where the cells of a grid have text, without their lines."""
    block = frame[top : top + CELL * rows, left : left + CELL * columns]
    cells = block.reshape(rows, CELL, columns, CELL, 3).swapaxes(1, 2)[:, :, 4:-4, 4:-4]
    inked: npt.NDArray[np.bool_] = (cells == rgb(INK)).all(axis=-1)
    return inked


@pytest.mark.parametrize(("hw", "kernel", "settings"), SETTINGS)
def test_each_frame_shows_what_its_position_reads_and_what_is_known(
    hw: tuple[int, int], kernel: tuple[int, int], settings: dict[str, Any]
) -> None:
    x = RANDOM.integers(1, 10, hw)
    weights = RANDOM.integers(1, 3, kernel)
    where: dict[str, Any] = {"stride": 1, "padding": "VALID", "dilation": 1} | settings
    found = frames(convolution_gif(x, weights, **settings))
    expected = oracle.conv2d(
        x[None, :, :, None].astype(float), weights[:, :, None, None].astype(float), **where
    )[0, :, :, 0]
    assert len(found) == expected.size + 1
    window = resolve_window(hw, kernel, **where)
    (before, after), (left_of, right_of) = window.padding
    size = (hw[0] + before + after, hw[1] + left_of + right_of)
    top, left = first_line(found[-1])
    (ys, xs) = np.nonzero((found[-1] == rgb(GROUNDS[DONE])).all(axis=-1))
    output_left = int(xs.min()) - 1
    assert int(ys.min()) - 1 == top

    still = np.full(size, PADDED)
    still[before : before + hw[0], left_of : left_of + hw[1]] = PAPER
    assert grounds(found[-1], top, left, *size) == still.tolist()
    pairs = list(oracle.touches(hw, kernel, where["stride"], where["padding"], where["dilation"]))
    (down, across), (apart_y, apart_x) = window.stride, window.dilation
    for number, at in enumerate(np.ndindex(expected.shape)):
        cells = still.copy()
        reads = [(i, j) for i in range(kernel[0]) for j in range(kernel[1])]
        for i, j in reads:
            cells[at[0] * down + i * apart_y, at[1] * across + j * apart_x] = READ_PADDED
        for pair in pairs:
            if pair.out == at:
                cells[pair.cell[0] + before, pair.cell[1] + left_of] = READ
        assert grounds(found[number], top, left, *size) == cells.tolist()
        filled = np.full(expected.size, PAPER)
        filled[:number], filled[number] = DONE, READ
        shape = expected.shape
        assert grounds(found[number], top, output_left, *shape) == filled.reshape(shape).tolist()

    # A kernel of one 1 shows the oracle's numbers as an input: in the same ink.
    same = frames(convolution_gif(expected.astype(int), [[1]]))[-1]
    top_2, left_2 = first_line(same)
    np.testing.assert_array_equal(
        ink(found[-1], top, output_left, *expected.shape),
        ink(same, top_2, left_2, *expected.shape),
    )
    assert ink(same, top_2, left_2, *expected.shape).any(axis=(2, 3)).all()


def test_the_arithmetic_is_exact_in_decimals() -> None:
    (step,) = convolved(np.array([[0.1, 0.2, -0.3]], np.float32), [[1, 1, 1]]).steps()
    assert step.patches == (((Fraction(1, 10), Fraction(2, 10), Fraction(-3, 10)),),)
    assert step.value == 0


def test_products_and_totals_are_the_oracles() -> None:
    x, kernel = RANDOM.normal(size=(6, 7)), RANDOM.normal(size=(3, 2))
    settings: dict[str, Any] = {"stride": (2, 1), "padding": ((1, 2), (0, 1)), "dilation": (1, 2)}
    walk = list(convolved(x, kernel, **settings).steps())
    expected = oracle.conv2d(x[None, :, :, None], kernel[:, :, None, None], **settings)
    totals = [float(step.value) for step in walk]
    np.testing.assert_allclose(totals, expected.ravel(), rtol=0, atol=1e-14)
    for step in walk:
        values = np.array([[number or 0 for number in row] for row in step.patches[0]], float)
        assert [list(map(float, row)) for row in step.products[0]] == pytest.approx(
            values * kernel, abs=1e-14
        )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("7", "7"),
        ("-12", "\N{MINUS SIGN}12"),
        ("100", "100"),
        ("1000000000", "1000000000"),
        ("0.1", "0.1"),
        ("-2.50", "\N{MINUS SIGN}2.5"),
        ("0.0004", "≈0"),
        ("2.0004", "≈2"),
        ("1/3", "≈0.333"),
        ("-2/3", "≈\N{MINUS SIGN}0.667"),
    ],
)
def test_whole_numbers_are_shown_whole_and_rounded_ones_are_marked(number: str, text: str) -> None:
    assert shown(Fraction(number)) == text


@pytest.mark.parametrize(
    ("x", "kernel", "settings"),
    [([[7]], [[2]], {"padding": 1}), ([[1]] * 12, [[1], [2]], {}), ([[1]], [[0.1]], {})],
)
def test_narrow_grids_have_room_for_their_headings_and_every_title(
    x: Any, kernel: Any, settings: dict[str, Any]
) -> None:
    found = frames(convolution_gif(x, kernel, **settings))
    top, _ = first_line(found[-1])
    for frame in found:
        inked = (frame != rgb(GROUNDS[PAPER])).any(axis=-1)
        assert not inked[:, -20:].any()
        above = np.flatnonzero(inked[top - 30 : top - 4].any(axis=0))
        assert (np.diff(above) > 40).sum() == 2  # apart: input, kernel, output


def test_equal_arguments_give_equal_bytes_and_it_plays_for_ever() -> None:
    x, kernel = [[0.5, 1.25], [-3.0, 4.0]], [[1.0, 0.3]]
    gif = convolution_gif(x, kernel, seconds=0.25)
    assert gif == convolution_gif(np.array(x), np.array(kernel), seconds=0.25)
    opened = Image.open(io.BytesIO(gif))
    pauses = []
    for number in range(3):
        opened.seek(number)
        pauses.append(opened.info["duration"])
    assert (pauses, opened.info["loop"]) == ([250, 250, 750], 0)


@pytest.mark.parametrize(
    ("x", "kernel", "settings", "named"),
    [
        ([1, 2], [[1]], {}, r"x: got shape \(2,\); accepted: \(H, W\) from 1 x 1 to 12 x 12"),
        ([[1], [1, 2]], [[1]], {}, "x: got rows of several lengths"),
        ([[]], [[1]], {}, r"x: got shape \(1, 0\)"),
        ([["a"]], [[1]], {}, "x: got dtype <U1; accepted: integers or floats"),
        ([[float("nan")]], [[1]], {}, "x: got nan; accepted: -1,000,000 to 1,000,000"),
        ([[1]], [[1e7]], {}, "kernel: got 10000000.0; accepted"),
        (np.ones((13, 2)), [[1]], {}, r"x: got shape \(13, 2\)"),
        (np.ones((12, 12)), np.ones((8, 1)), {}, r"kernel: got shape \(8, 1\); .* 7 x 7"),
        (np.ones((12, 12)), [[1]], {"padding": 1}, "padding: got 1, .* 14 x 14; accepted: at most"),
        ([[1]], [[1]], {"seconds": 0}, "seconds: got 0; accepted: 0.02 to 60"),
        ([[1]], [[1]], {"stride": 0}, "stride: got 0"),
        ([[1]], [[1, 2]], {}, "kernel"),
    ],
)
def test_what_cannot_be_read_is_refused(
    x: Any, kernel: Any, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named) as refused:
        convolution_gif(x, kernel, **settings)
    assert "\n" not in str(refused.value)
