"""Limits of "auto": plain rounding with a precision, and the range of plain methods."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from jcnn.ops.conv.lowerings.lowering import Conv, Params
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.table.file import SHIPPED, read
from jcnn.ops.conv.table.lookup import choose
from tests.ops.conv import oracle
from tests.ops.conv.cases import draw, quickly

X, K = draw("x", (4, 12, 12, 16)), draw("kernel", (3, 3, 16, 32))
PAST = Params((1, 1), ((4, 4), (4, 4)), (1, 1), (1, 1), 1)


def step(x: jax.Array, kernel: jax.Array, **how: Any) -> tuple[jax.Array, ...]:
    y, pull_back = jax.vjp(lambda x, k: ops.conv2d(x, k, **how), x, kernel)
    return (y, *pull_back(y))


def assert_plain(values: tuple[jax.Array, ...]) -> None:
    for got, want in zip(values, quickly(lambda x, k: step(x, k, method="lax"), X, K), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("precision", ["highest", "float32", jax.lax.Precision.HIGHEST])
def test_a_precision_selects_plain_lowerings(precision: str) -> None:
    assert_plain(quickly(lambda x, k: step(x, k, precision=precision), X, K))


def test_jax_s_setting_selects_plain_lowerings_everywhere() -> None:
    """One jitted function, with and without the setting: it is part of the program's key."""
    program = jax.jit(step)
    shapes = (X.shape, K.shape)
    before = program(X, K)
    with jax.default_matmul_precision("highest"):
        assert_plain(program(X, K))
        found = ops.explain_conv(*shapes, platform="cpu")
    assert all(LOWERINGS[choice.lowering].plain for choice in found.values())
    asked = ops.explain_conv(*shapes, platform="cpu", precision="highest")
    assert asked == found
    for got, want in zip(program(X, K), before, strict=True):
        np.testing.assert_array_equal(got, want)
    with jax.default_matmul_precision("default"):
        assert ops.explain_conv(*shapes, platform="cpu") == ops.explain_conv(
            *shapes, platform="cpu"
        )


def test_every_lowering_that_is_not_plain_says_what_it_costs() -> None:
    """All but the C++ depthwise convolution, which rounds as XLA's does."""
    silent = {name for name, lowering in LOWERINGS.items() if not lowering.remark}
    assert silent == {name for name, lowering in LOWERINGS.items() if lowering.plain} | {
        "native_depthwise"
    }
    line = next(one for one in read(SHIPPED).lines if one.lowering == "fft")
    assert LOWERINGS["fft"].remark in str(choose(line.conv, [read(SHIPPED)]))


# --- spectra --------------------------------------------------------------------------------------

IMAGES, LARGE = draw("pictures", (2, 14, 13, 2)), draw("large", (9, 9, 2, 3))


def by_lowering(lowering: str, x: jax.Array, kernel: jax.Array) -> np.ndarray:
    return np.asarray(jax.jit(lambda x, k: LOWERINGS[lowering].fn(x, k, None, PAST))(x, kernel))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_windows(bad: float) -> None:
    x = IMAGES.at[0, 3, 11, 1].set(bad)
    got, want = (by_lowering(lowering, x, LARGE) for lowering in ("fft", "lax"))
    assert 0 < np.isfinite(want).sum() < want.size
    np.testing.assert_array_equal(got, want)
    kernel = LARGE.at[8, 0, 1, 2].set(bad)
    np.testing.assert_array_equal(
        by_lowering("fft", IMAGES, kernel), by_lowering("lax", IMAGES, kernel)
    )


@pytest.mark.parametrize(
    ("of_x", "of_kernel"),
    [(1e36, 1e-3), (1e-3, 1e36), (1e20, 1e16), (1e-34, 1e10), (1e-18, 1e-18), (0, 1), (1, 0)],
)
def test_the_range_is_that_of_a_plain_method(of_x: float, of_kernel: float) -> None:
    x, kernel = IMAGES * of_x, LARGE * of_kernel
    got = by_lowering("fft", x, kernel)
    # Numbers that underflow in a plain sum of 162 products may be lost here, too.
    want = oracle.conv2d(
        oracle.float64(x), oracle.float64(kernel), padding=((4, 4), (4, 4)), stride=1
    )
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * np.abs(want).max() + 162 * 2.0**-126)


def test_within_that_range_spectra_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "jcnn.ops.conv.lowerings.lax.convolve",
        lambda x, k, precision, p: jnp.full((2, 14, 13, 3), 7.0),
    )
    for factor in (1e-20, 1.0, 1e20):
        assert not np.any(by_lowering("fft", IMAGES * factor, LARGE) == 7)
    assert np.all(by_lowering("fft", IMAGES * 1e36, LARGE) == 7)


def test_a_gradient_by_a_large_kernel_is_guarded_too() -> None:
    """Strides and dilations are exchanged in it; the bound must count the cells that are read."""
    params = dataclasses.replace(PAST, stride=(2, 1), dilation=(1, 2), in_dilation=(1, 1))
    conv = Conv("cpu", "float32", (2, 30, 31, 2), (9, 9, 2, 3), params)
    assert LOWERINGS["fft"].unsupported(conv) is None
    x = draw("x", conv.x) * 1e25
    kernel = draw("kernel", conv.kernel)
    for one in (x, x * 1e10, x.at[0, 0, 0, 0].set(np.nan)):
        run = {
            lowering: np.asarray(
                jax.jit(lambda x, k, f=lowering: LOWERINGS[f].fn(x, k, None, params))(one, kernel)
            )
            for lowering in ("fft", "lax")
        }
        scale = np.nanmax(np.abs(run["lax"]))
        np.testing.assert_allclose(run["fft"] / scale, run["lax"] / scale, rtol=0, atol=2e-6)
