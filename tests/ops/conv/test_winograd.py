"""Winograd's methods: exact transforms, rounding error, and the compiled program."""

import itertools
import re
from collections.abc import Callable
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from jcnn import ops
from jcnn.ops.conv.lowerings import winograd as winograd_lowering
from jcnn.ops.conv.lowerings.cook_toom import cook_toom
from jcnn.ops.conv.lowerings.lowering import Pads, Params
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from tests.ops.conv import oracle
from tests.ops.conv.cases import Case, draw, expected, gradients, operands, quickly
from tests.ops.conv.tolerances import assert_close

both = pytest.mark.parametrize("outputs", [2, 4])
mostly_4 = pytest.mark.parametrize("outputs", [pytest.param(2, marks=pytest.mark.slow), 4])

# --- the transforms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "taps"),
    [
        ((0, 1, -1), 3),
        ((0, 1, -1, 2, -2), 3),
        ((0, 1, -1), 2),
        ((3, -1, 5, 2), 4),
        ((0, 1, -1, 2, -2, 3, -3), 3),
    ],
)
def test_filtering_is_the_correlation_exactly(points: tuple[int, ...], taps: int) -> None:
    """In Fractions, for every pair of unit vectors: both sides are linear in `g` and in `d`."""
    f = cook_toom(points, taps)
    assert (f.outputs, f.cells) == (len(points) + 2 - taps, len(points) + 1)
    for j, k in itertools.product(range(taps), range(f.cells)):
        g = [Fraction(j == at) for at in range(taps)]
        d = [Fraction(k == at) for at in range(f.cells)]
        products = [
            sum(a * b for a, b in zip(by_g, g, strict=True))
            * sum(a * b for a, b in zip(by_d, d, strict=True))
            for by_g, by_d in zip(f.kernel, f.data, strict=True)
        ]
        y = [
            sum(a * p for a, p in zip(row, products, strict=True)) / f.denominator
            for row in f.output
        ]
        assert y == [sum(g[t] * d[i + t] for t in range(taps)) for i in range(f.outputs)]


def test_the_published_transforms() -> None:
    """Lavin and Gray 2016, section 4; of F(2, 3) they give two rows with the sign changed."""
    f = winograd_lowering.FILTERINGS[4]
    assert f.data == (
        (4, 0, -5, 0, 1, 0),
        (0, -4, -4, 1, 1, 0),
        (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 2, -1, -2, 1, 0),
        (0, 4, 0, -5, 0, 1),
    )
    assert f.output == (
        (1, 1, 1, 1, 1, 0),
        (0, 1, -1, 2, -2, 0),
        (0, 1, 1, 4, 4, 0),
        (0, 1, -1, 8, -8, 1),
    )
    assert f.denominator == 24
    assert f.kernel == ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))
    f = winograd_lowering.FILTERINGS[2]
    assert f.data == ((-1, 0, 1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))
    assert f.output == ((1, 1, 1, 0), (0, 1, -1, 1))
    assert (f.kernel, f.denominator) == (((-2, 0, 0), (1, 1, 1), (1, -1, 1), (0, 0, 2)), 2)


@both
def test_integers_are_exact(outputs: int) -> None:
    """Values and gradients, with groups and a last tile that is not full."""
    case = Case((3, 6, 7, 4), (3, 3, 2, 6), groups=2, padding=((0, 2), (3, 1)))
    rng = np.random.default_rng(0)
    shapes = case.x_shape, case.kernel_shape, case.kernel_shape[3:], case.y_shape
    x, kernel, bias, g = (jnp.asarray(rng.integers(-9, 10, shape), "float32") for shape in shapes)
    got = quickly(gradients(case, f"winograd{outputs}"), x, kernel, bias, g)
    arrays = [oracle.float64(array) for array in (x, kernel, g)]
    y = oracle.conv2d(arrays[0], arrays[1], oracle.float64(bias), **case.how)
    wanted = (y, *oracle.conv2d_gradients(*arrays, **case.how))
    for one, want in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, want)


# --- rounding -------------------------------------------------------------------------------------

# By how much more it rounds than "lax": root mean squares of the errors of 64 to 1,000 windows,
# measured for 8, 64 and 512 channels; and what is allowed.
MEASURED = {"winograd2": ((1.2, 0.9, 1.8), 3.5), "winograd4": ((6.4, 5.4, 10.2), 16.0)}


@pytest.mark.parametrize(
    ("place", "channels"),
    [
        (0, 8),
        pytest.param(1, 64, marks=pytest.mark.slow),
        pytest.param(2, 512, marks=pytest.mark.slow),
    ],
)
def test_growth_of_the_error(place: int, channels: int) -> None:
    x, kernel = draw("x", (1, 16, 16, channels)), draw("kernel", (3, 3, channels, 32))
    windows = sliding_window_view(oracle.float64(x), (3, 3), axis=(1, 2))
    want = np.einsum("nhwcij,ijco->nhwo", windows, oracle.float64(kernel), optimize=True)

    def error(method: str, dtype: str = "float32") -> float:
        operands = (jnp.asarray(array, dtype) for array in (x, kernel))
        y = ops.conv2d(*operands, padding="VALID", method=method)
        return float(np.sqrt(np.mean((oracle.float64(y) - want) ** 2)))

    plain = error("lax")
    for method, (measured, allowed) in MEASURED.items():
        assert measured[place] / 3 < error(method) / plain < allowed
    with jax.enable_x64(True):
        for method in MEASURED:
            assert error(method, "float64") < 1e-13 * np.sqrt(9 * channels)


@mostly_4
def test_sums_over_the_batch_in_at_least_32_bits(outputs: int) -> None:
    """Ten thousand ones add to ten thousand: in bfloat16 alone the sum would stop at 256."""
    case = Case((4, 52, 52, 1), (3, 3, 1, 1), padding="VALID")
    x, g = jnp.ones(case.x_shape, "bfloat16"), jnp.ones(case.y_shape, "bfloat16")
    kernel, bias = jnp.ones(case.kernel_shape, "bfloat16"), jnp.zeros(1, "bfloat16")
    _, _, by_kernel, _ = quickly(gradients(case, f"winograd{outputs}"), x, kernel, bias, g)
    np.testing.assert_array_equal(by_kernel, jnp.full((3, 3, 1, 1), 10_000, "bfloat16"))


@both
def test_16_bits_are_transformed_in_32(outputs: int) -> None:
    """Requested explicitly: a CPU would do much of it anyway."""
    method, case = f"winograd{outputs}", Case((2, 5, 7, 3), (3, 3, 3, 4), dtype="bfloat16")
    text = lowered(case, method, gradients(case, method))
    done = re.findall(r"stablehlo\.(?:multiply|divide|dot_general) .*x(\w+)>", text)
    assert len(done) > 20
    assert set(done) == {"f32"}


# --- what runs ------------------------------------------------------------------------------------


def lowered(case: Case, method: str, run: Callable[..., object]) -> str:
    a = operands(case)
    return str(jax.jit(run).lower(a.x, a.kernel, a.bias, a.g).as_text())


@both
def test_it_is_one_product_for_each_position_in_every_direction(outputs: int) -> None:
    """And no convolution: the value and both gradients are Winograd's."""
    case = Case((2, 5, 7, 3), (3, 3, 3, 4))
    text = lowered(case, f"winograd{outputs}", gradients(case, f"winograd{outputs}"))
    assert "convolution" not in text
    positions = (outputs + 2) ** 2
    batched = re.findall(rf"dot_general .*-> tensor<{positions}x1x(\d+)x(\d+)xf32>", text)
    tiles = 2 * -(-5 // outputs) * -(-7 // outputs)
    assert sorted(batched) == sorted([(str(tiles), "4"), (str(tiles), "3"), ("3", "4")])


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere the tiles go at once")
@mostly_4
def test_in_chunks_it_is_the_same(outputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five images, two at a time: the last chunk goes back one image, or is filled up."""
    case = Case((5, 5, 6, 4), (3, 3, 2, 6), groups=2, padding=((0, 2), (3, 1)))
    numbers = (outputs + 2) ** 2 * -(-5 // outputs) * -(-8 // outputs) * (4 + 6)
    monkeypatch.setattr(winograd_lowering, "_CHUNK", 4 * numbers * 2)
    method = f"winograd{outputs}"
    run, a = gradients(case, method), operands(case)
    assert lowered(case, method, run).count("stablehlo.while") == 3
    got = quickly(run, a.x, a.kernel, a.bias, a.g)
    for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
        assert_close(one, want, dtype="float32", method=method, terms=terms)


# Shapes of x and kernel, and padding: a value, with a gradient's crop; a gradient by kernel; and
# that one's gradient by its images.
FAMILY: dict[str, tuple[tuple[int, ...], tuple[int, ...], Pads]] = {
    "3x3 kernel": ((2, 5, 6, 4), (3, 3, 2, 6), ((-1, 2), (3, -2))),
    "3x3 result": ((2, 7, 6, 4), (7, 5, 2, 6), ((-1, 3), (2, -1))),
    "3x3 input": ((2, 3, 3, 4), (4, 5, 2, 6), ((2, 4), (5, 1))),
}


@mostly_4
@pytest.mark.parametrize("kind", FAMILY)
def test_the_three_kinds_that_gradients_are_made_of(kind: str, outputs: int) -> None:
    """With two groups, which may be those of two models."""
    x_shape, kernel_shape, pads = FAMILY[kind]
    x, kernel = draw("x", x_shape), draw("kernel", kernel_shape)
    params = Params((1, 1), pads, (1, 1), (1, 1), 2)
    lowering = LOWERINGS[f"winograd{outputs}"]
    y = quickly(lambda x, kernel: lowering.fn(x, kernel, None, params), x, kernel)
    rows, columns = ((max(before, 0), max(after, 0)) for before, after in pads)
    whole = np.pad(oracle.float64(x), ((0, 0), rows, columns, (0, 0)))
    (top, bottom), (left, right) = ([-min(pad, 0) for pad in both] for both in pads)
    whole = whole[:, top : whole.shape[1] - bottom, left : whole.shape[2] - right]
    want = oracle.conv2d(whole, oracle.float64(kernel), padding="VALID", groups=2)
    terms = int(np.prod(kernel_shape[:3]))
    assert_close(y, want, dtype="float32", method=f"winograd{outputs}", terms=terms)


@both
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (Case((1, 7, 7, 2), (3, 2, 2, 2)), "kernel 3x2; it does 3x3 alone"),
        (Case((1, 7, 7, 2), (3, 3, 2, 2), stride=(1, 2)), "stride 1x2; it does 1x1 alone"),
        (Case((1, 7, 7, 2), (3, 3, 2, 2), dilation=2), "dilation 2x2; it does 1x1 alone"),
    ],
)
def test_refusals(outputs: int, case: Case, reason: str) -> None:
    a, method = operands(case), f"winograd{outputs}"
    with pytest.raises(NotImplementedError) as error:
        ops.conv2d(a.x, a.kernel, **case.how, method=method)
    assert str(error.value) == f"method '{method}': {reason}"
