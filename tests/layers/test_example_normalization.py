"""Layer and group normalisation against NumPy float64, with large means, and their arguments."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn.layers import BatchNormalization, GroupNormalization, LayerNormalization, eval_mode
from tests.ops.conv import oracle
from tests.ops.conv.cases import DTYPES, draw, precision_for
from tests.ops.conv.refusals import FLOATS, refusal
from tests.ops.conv.tolerances import EPS

Array = npt.NDArray[np.float64]
SHAPE = (2, 4, 5, 6)
Norm = Callable[..., Any]


def by_layer(x: Array, epsilon: float = 1e-3) -> Array:
    y: Array = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    return y


def by_group(x: Array, epsilon: float = 1e-3, groups: int = 3) -> Array:
    """One example and one group at a time."""
    y = np.empty_like(x)
    size = x.shape[-1] // groups
    for n in range(x.shape[0]):
        for k in range(groups):
            part = x[n, ..., k * size : (k + 1) * size]
            normal = (part - part.mean()) / np.sqrt(part.var() + epsilon)
            y[n, ..., k * size : (k + 1) * size] = normal
    return y


def grouped(channels: int, **how: Any) -> GroupNormalization:
    return GroupNormalization(channels, 3, **how)


NORMS: dict[str, tuple[Norm, Callable[..., Array]]] = {
    "layer": (LayerNormalization, by_layer),
    "group": (grouped, by_group),
}
every_norm = pytest.mark.parametrize("name", NORMS)


@every_norm
@pytest.mark.parametrize("dtype", DTYPES)
def test_value_with_scale_and_bias(name: str, dtype: str) -> None:
    make, formula = NORMS[name]
    with precision_for(dtype):
        layer = make(6)
        scale, bias = draw("scale", (6,)), draw("bias", (6,))
        nnx.update(layer, {"scale": scale, "bias": bias})
        for shape in (SHAPE, (3, 6), (2, 5, 6)):
            x = draw("x", shape, dtype)
            y = layer(x)
            assert (str(y.dtype), y.shape) == (dtype, shape)
            want = formula(oracle.float64(x)) * oracle.float64(scale) + oracle.float64(bias)
            np.testing.assert_allclose(
                oracle.float64(y), want, rtol=EPS[dtype], atol=32 * min(EPS[dtype], 2**-23)
            )


@every_norm
@pytest.mark.parametrize("mean", [0.0, -5000.0, 1e6])
def test_it_is_exact_where_the_mean_is_large(name: str, mean: float) -> None:
    make, formula = NORMS[name]
    x = mean + draw("x", SHAPE)
    np.testing.assert_allclose(make(6)(x), formula(oracle.float64(x)), rtol=0, atol=2e-5)


@every_norm
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_gradients_are_those_of_differences(name: str, mean: float) -> None:
    """Of the formula in float64, in random directions."""
    make, formula = NORMS[name]
    x, g = mean + draw("x", SHAPE), oracle.float64(draw("g", SHAPE))
    wide, step = oracle.float64(x), 1e-5
    by_x = oracle.float64(jax.grad(lambda x: jnp.sum(make(6)(x) * g.astype("float32")))(x))
    for k in range(4):
        along = oracle.float64(draw(f"along{k}", SHAPE))
        want = np.sum((formula(wide + step * along) - formula(wide - step * along)) * g)
        assert np.sum(by_x * along) == pytest.approx(want / (2 * step), rel=1e-3, abs=2e-3)


@every_norm
def test_the_gradients_of_scale_and_bias(name: str) -> None:
    make, formula = NORMS[name]
    x, g = draw("x", SHAPE), draw("g", SHAPE)
    by = nnx.grad(lambda layer: jnp.sum(layer(x) * g))(make(6))
    slope = oracle.float64(g)
    want = (slope * formula(oracle.float64(x))).sum((0, 1, 2))
    np.testing.assert_allclose(by["scale"][...], want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(by["bias"][...], slope.sum((0, 1, 2)), rtol=1e-5, atol=1e-5)


@every_norm
def test_arguments_and_modes(name: str) -> None:
    make, formula = NORMS[name]
    assert make(6).epsilon == 1e-3
    layer = make(6, epsilon=0.5, center=False, scale=False, rngs=nnx.Rngs(0))
    assert layer.bias is None and layer.scale is None
    x = draw("x", SHAPE)
    want = formula(oracle.float64(x), 0.5)
    np.testing.assert_allclose(layer(x), want, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(eval_mode(layer)(x), layer(x))
    assert GroupNormalization(64).groups == 32


@every_norm
def test_jit_and_vmap(name: str) -> None:
    layer, xs = NORMS[name][0](6), draw("xs", (*SHAPE, 2))
    mapped = jax.jit(jax.vmap(layer, in_axes=-1))(xs)
    for k in range(2):
        np.testing.assert_allclose(mapped[k], layer(xs[..., k]), rtol=0, atol=1e-6)


@every_norm
@pytest.mark.parametrize("shape", [(0, 4, 5, 6), (2, 0, 5, 6)])
def test_empty_arrays_stay_empty(name: str, shape: tuple[int, ...]) -> None:
    layer = NORMS[name][0](6)
    assert layer(jnp.ones(shape)).shape == shape
    by = nnx.grad(lambda layer: jnp.sum(layer(jnp.ones(shape))))(layer)
    np.testing.assert_array_equal(by["scale"][...], np.zeros(6))


def test_groups_are_instances_or_layers() -> None:
    x = draw("x", SHAPE)
    wide = oracle.float64(x)
    one = (wide - wide.mean((1, 2, 3), keepdims=True)) / np.sqrt(
        wide.var((1, 2, 3), keepdims=True) + 1e-3
    )
    each = (wide - wide.mean((1, 2), keepdims=True)) / np.sqrt(
        wide.var((1, 2), keepdims=True) + 1e-3
    )
    np.testing.assert_allclose(GroupNormalization(6, 1)(x), one, rtol=0, atol=1e-5)
    np.testing.assert_allclose(GroupNormalization(6, 6)(x), each, rtol=0, atol=1e-5)


NCHW = "; x looks like (N, C, H, W), and jcnn takes NHWC: x.transpose(0, 2, 3, 1)"


@pytest.mark.parametrize(
    "layer",
    [
        LayerNormalization(6),
        GroupNormalization(6, 2),
        BatchNormalization(6, rngs=nnx.Rngs(0)),
    ],
)
def test_other_channels_and_types_are_refused(layer: Any) -> None:
    said = refusal(lambda: layer(jnp.ones((2, 6, 5, 4))))
    assert said == f"x: got shape (2, 6, 5, 4); expected 6 channels in the last axis{NCHW}"
    said = refusal(lambda: layer(jnp.ones((2, 4))))
    assert said == "x: got shape (2, 4); expected 6 channels in the last axis"
    said = refusal(lambda: layer(jnp.ones((2, 6), "int32")))
    assert said == f"x: got dtype int32; {FLOATS}"


def test_refusals() -> None:
    nothing: Any = float("nan")
    said = refusal(lambda: LayerNormalization(6, epsilon=nothing))
    assert said == "epsilon: got nan; accepted: a finite number >= 0"
    assert refusal(lambda: LayerNormalization(0)) == "channels: got 0; accepted: a positive int"
    said = refusal(lambda: GroupNormalization(6, 4))
    assert said == "groups: got 4, which does not divide channels=6"
    assert refusal(lambda: GroupNormalization(6, 0)) == "groups: got 0; accepted: a positive int"
    said = refusal(lambda: GroupNormalization(6, 2)(jnp.ones(6)))
    assert said == "x: got shape (6,); expected at least two axes (N, ..., C)"
