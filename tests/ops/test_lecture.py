"""Every worked example of the lectures, computed by the ops and layers.

`tests/cases/lecture_examples.json` holds the inputs, the right result and what the slide shows.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.layers import Conv2D, Dense
from jcnn.models import count_params
from tests.ops.conv.cases import Case, able, compiled, quickly

FILE = Path(__file__).parents[1] / "cases" / "lecture_examples.json"
EXAMPLES: dict[str, dict[str, Any]] = {
    example["id"]: example for example in json.loads(FILE.read_text())["examples"]
}
ATOL = (0, 1e-5)  # exact, or of spectra


def ids(op: str) -> list[str]:
    return [name for name, example in EXAMPLES.items() if example["op"] == op]


def image(rows: Any) -> jax.Array:
    """One image of one channel."""
    grid: jax.Array = jax.device_put(np.asarray(rows, "float32")[None, :, :, None])
    return grid


def kernel(rows: Any) -> jax.Array:
    grid: jax.Array = jax.device_put(np.asarray(rows, "float32")[:, :, None, None])
    return grid


def convolve(example: dict[str, Any], methods: list[str]) -> list[dict[str, Any]]:
    """By each method, in one program: with the kernel, and with the kernel flipped."""

    def run(x: jax.Array, kernel: jax.Array) -> dict[str, jax.Array]:
        padding = example["padding"].upper()
        how = {"stride": example["stride"], "padding": padding}
        return {m: ops.conv2d(x, kernel, method=m, **how)[0, :, :, 0] for m in methods}

    x, rows = image(example["input"]), np.asarray(example["kernel"])
    program = compiled(run, x, kernel(rows))
    return [program(x, kernel(k)) for k in (rows, rows[::-1, ::-1])]


def picture_case(name: str) -> Case:
    example = EXAMPLES[name]
    return Case(
        (1, *np.shape(example["input"]), 1),
        (*np.shape(example["kernel"]), 1, 1),
        example["stride"],
        example["padding"].upper(),
    )


def row_case(name: str) -> Case:
    cells, taps = len(EXAMPLES[name]["input"]), len(EXAMPLES[name]["kernel"])
    return Case((1, 1, cells, 1), (1, taps, 1, 1), padding="VALID")


@pytest.mark.parametrize("name", ids("conv2d_correlation"))
def test_convolution(name: str) -> None:
    """Small whole numbers: every method must be exact, but "fft", whose roots of one are not."""
    example = EXAMPLES[name]
    methods = able(picture_case(name))
    ys, flipped = convolve(example, methods)
    for m in methods:
        close: dict[str, Any] = {"rtol": 0, "atol": ATOL[m == "fft"], "err_msg": m}
        np.testing.assert_allclose(ys[m], example["expected"], **close)
        np.testing.assert_allclose(flipped[m], example["true_convolution"], **close)


@pytest.mark.parametrize("name", ids("conv2d_correlation"))
def test_same_is_the_padding_the_lecture_draws(name: str) -> None:
    example = EXAMPLES[name]
    window = ops.resolve_window(
        np.shape(example["input"]),
        3,
        stride=example["stride"],
        padding=example["padding"].upper(),
    )
    assert window.padding == ((example["pad"],) * 2,) * 2


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, m) for name in ids("conv1d_correlation") for m in able(row_case(name))],
)
def test_convolution_of_a_row(name: str, method: str) -> None:
    example = EXAMPLES[name]
    y = quickly(
        lambda x, kernel: ops.conv2d(x, kernel, padding="VALID", method=method),
        *(image([example["input"]]), kernel([example["kernel"]])),
    )
    atol = ATOL[method == "fft"]
    np.testing.assert_allclose(y[0, 0, :, 0], example["expected"], rtol=0, atol=atol)


@pytest.mark.parametrize("name", ids("maxpool2d"))
def test_max_pooling(name: str) -> None:
    example = EXAMPLES[name]
    y = ops.max_pool2d(image(example["input"]), example["pool"], stride=example["stride"])
    np.testing.assert_array_equal(y[0, :, :, 0], example["expected"])


@pytest.mark.parametrize("name", ids("flatten"))
def test_flatten(name: str) -> None:
    example = EXAMPLES[name]
    np.testing.assert_array_equal(ops.flatten(image(example["input"]))[0], example["expected"])


# --- shapes and counts ----------------------------------------------------------------------------


def _conv_params(channels: int, filters: int) -> int:
    return _params(lambda: Conv2D(channels, filters, rngs=nnx.Rngs(0)))


def _dense_params(inputs: int, *, bias: bool = True) -> int:
    return _params(lambda: Dense(inputs, 10, use_bias=bias, rngs=nnx.Rngs(0)))


def _params(layer: Callable[[], nnx.Module]) -> int:
    return count_params(nnx.eval_shape(layer))


def _totals() -> list[int]:
    """One convolution; two; two with a pooling: each with the dense layer of ten classes."""
    first, second = _conv_params(1, 32), _conv_params(32, 64)
    _, h, w, c = ops.conv_output_shape((1, 28, 28, 32), (3, 3, 32, 64))
    ph, pw = ops.resolve_window((h, w), 2, stride=2).out_size
    return [
        first + _dense_params(28 * 28 * 32),
        first + second + _dense_params(h * w * c),
        first + second + _dense_params(ph * pw * c),
    ]


def _quarter() -> list[float]:
    totals = _totals()
    return [
        _dense_params(14 * 14 * 64) / _dense_params(28 * 28 * 64),
        totals[2] / totals[1],
    ]


def _similarity() -> list[float]:
    """Share of equal pixels: with 0/1 pixels x and k, `sum(x k + (1 - x)(1 - k)) / 4`."""
    feature = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    scores = []
    for patch in (feature, feature.at[0, 1].set(1)):
        both = jnp.stack([patch, 1 - patch], axis=-1)[None]
        weights = jnp.stack([feature, 1 - feature], axis=-1)[..., None]
        scores.append(float(ops.conv2d(both, weights, padding="VALID")[0, 0, 0, 0]) / 4)
    return scores


def _shapes() -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    shape: tuple[int, ...] = (1, 100, 100, 3)
    for filters in (32, 64):
        shape = ops.conv_output_shape(shape, (3, 3, shape[3], filters), padding="SAME")
        shapes.append(shape[1:])
        shape = ops.conv_output_shape(shape, (3, 3, filters, filters), padding="VALID")
        shapes.append(shape[1:])
        pool = ops.resolve_window(shape[1:3], 2, stride=2)
        shape = (1, *pool.out_size, filters)
        shapes.append(shape[1:])
    return shapes


def _map_shape(x: tuple[int, ...], weights: tuple[int, ...]) -> list[int]:
    return list(ops.conv_output_shape(x, weights, padding="VALID")[1:])


COUNTS: dict[str, Callable[[], Any]] = {
    "001_map": lambda: _map_shape((1, 32, 32, 3), (5, 5, 3, 6)),
    "001_quiz": lambda: ops.resolve_window((1, 5), (1, 3)).out_size[1],
    "002_pixels": lambda: ops.flatten(jnp.zeros((1, 480, 640, 1))).shape[1],
    "003_dense784": lambda: _dense_params(28 * 28, bias=False),
    "003_dense224": lambda: _dense_params(224 * 224, bias=False),
    "003_dense1024": lambda: _dense_params(1024 * 1024, bias=False),
    "003_params_conv": lambda: _conv_params(1, 32),
    "003_params_dense": lambda: _dense_params(28 * 28 * 32),
    "003_totals": _totals,
    "003_steps": lambda: math.ceil(60_000 * 0.8 / 64),
    "003_quarter": _quarter,
    "004_features": lambda: _map_shape((1, 6, 6, 1), (2, 2, 1, 5)),
    "004_similarity": _similarity,
    "004_shapes": _shapes,
}


@pytest.mark.parametrize("name", ids("shape_or_count"))
def test_shape_or_count(name: str) -> None:
    np.testing.assert_array_equal(COUNTS[name](), EXAMPLES[name]["expected"])


@pytest.mark.parametrize("name", ids("fact"))
def test_images_that_the_slide_does_not_show(name: str) -> None:
    """The slide lacks the 5x5 image: count the black-and-white ones that give the printed map.

    The map's rows depend on three rows of the image each: all 2**15 choices of three rows are
    convolved once, and chained where two rows overlap.
    """
    example, full = EXAMPLES[name], EXAMPLES["002_full_striped"]
    bits = (np.arange(2**15)[:, None] >> np.arange(15)) & 1
    rows = jnp.asarray(bits.reshape(-1, 3, 5, 1), "float32")
    maps = ops.conv2d(rows, kernel(full["kernel"]), padding="VALID")[:, 0, :, 0]
    fits = np.all(np.asarray(maps) == full["expected"][0], axis=1)
    assert full["expected"] == [full["expected"][0]] * 3
    triples = bits[fits].reshape(-1, 3, 5)
    assert len(triples) == example["first_three_rows_any"]

    # The printed patches are the first two of the map's first row: columns 0 to 2 and 1 to 3.
    patches = [np.array(EXAMPLES[patch]["input"]) for patch in ("002_patch1", "002_patch2")]
    found = [
        np.concatenate([first, second[2:], third[2:]])
        for first in triples
        if np.array_equal(first[:, :3], patches[0]) and np.array_equal(first[:, 1:4], patches[1])
        for second in triples
        if np.array_equal(first[1:], second[:2])
        for third in triples
        if np.array_equal(second[1:], third[:2])
    ]
    assert len(found) == example["count"]
    assert any(np.array_equal(each, example["example"]) for each in found)
    np.testing.assert_array_equal(
        ops.conv2d(image(example["example"]), kernel(full["kernel"]), padding="VALID")[0, ..., 0],
        full["expected"],
    )


# --- the file itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n, e in EXAMPLES.items() if e.get("printed") is not None])
def test_misprints_are_marked(name: str) -> None:
    """`printed` is a part of `expected` (a slide may show one row) exactly where they agree."""
    example = EXAMPLES[name]
    printed, expected = np.array(example["printed"]), np.array(example["expected"])
    if expected.ndim == 2:
        expected = expected[: len(printed)]
    if name == "003_quarter":  # printed as "1/4", in round figures
        agrees = bool(np.all(np.abs(expected - printed) < 0.03))
    else:
        agrees = np.array_equal(printed, expected)
    assert agrees == example["printed_agrees"]


def test_no_example_is_left_out() -> None:
    tested = {"conv2d_correlation", "conv1d_correlation", "maxpool2d", "flatten", "fact"}
    assert {e["op"] for e in EXAMPLES.values()} == tested | {"shape_or_count"}
    assert set(COUNTS) == set(ids("shape_or_count"))
    assert len(EXAMPLES) == len(json.loads(FILE.read_text())["examples"]) == 33
