"""The backward pass of each kind of layer, against NumPy and jcnn's functions in float64."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Page

from jcnn import ops
from tests.explore import layers_given as given
from tests.explore.kit import kit_page
from tests.explore.layers_given import alike, numbers
from tests.explore.oracle import run
from tests.explore.viewed import Array, Layer
from tests.ops.conv import oracle


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the functions."""
    with kit_page(kit_tab, "runBack, runLayer", "backward.js") as page:
        yield page


_BACK = """([layer, xs, gradient]) => {
  layer = revived(layer);
  xs = xs.map((x) => Float64Array.from(x));
  const y = runLayer(layer, ...xs);
  return runBack(layer, xs, y, Float64Array.from(gradient)).map((one) => Array.from(one));
}"""


def back(kit: Page, layer: Layer, xs: list[Array], gradient: Array) -> list[Array]:
    """The derivatives by each input, in its shape."""
    arrays = {
        name: {"data": np.ravel(array).tolist(), "shape": list(np.shape(array))}
        for name, array in layer.get("arrays", {}).items()
    }
    plain = json.loads(json.dumps({**layer, "arrays": arrays}))
    found = kit.evaluate(
        _BACK, [plain, [x.ravel().tolist() for x in xs], gradient.ravel().tolist()]
    )
    return [np.reshape(one, x.shape) for one, x in zip(found, xs, strict=True)]


def by_differences(layer: Layer, xs: list[Array], gradient: Array, step: float) -> list[Array]:
    """Central differences of the oracle's forward pass; for linear layers they are exact."""
    layer = {"arrays": {}, **layer}
    found = [np.zeros_like(x) for x in xs]
    for k, x in enumerate(xs):
        for at in np.ndindex(x.shape):
            ends = []
            for sign in (1, -1):
                moved = [one.copy() for one in xs]
                moved[k][at] += sign * step
                ends.append((run(layer, *(one[None] for one in moved))[0] * gradient).sum())
            found[k][at] = (ends[0] - ends[1]) / (2 * step)
    return found


# The layer, the shapes of its inputs, and whether it is linear in each of them.
LAYERS: dict[str, tuple[Layer, list[tuple[int, ...]], bool]] = {
    "conv": (given.conv(1, True), [(7, 6, 4)], True),
    "conv of 2 groups": (given.conv(2, False), [(7, 6, 4)], True),
    "transposed conv": (given.conv_transpose(), [(4, 3, 4)], True),
    "average pooling": (given.pool("average_pool"), [(7, 6, 3)], True),
    "dense": (given.dense(13, 4), [(13,)], True),
    "flatten": (given.flatten([3, 2, 4]), [(3, 2, 4)], True),
    "batch norm": (given.batch_norm([3, 2, 4]), [(3, 2, 4)], True),
    "batch norm of vectors, unscaled": (given.batch_norm([6], scaled=False), [(6,)], True),
    "zero padding": (given.zero_pad(), [(7, 6, 3)], True),
    "crop": (given.crop(), [(7, 6, 3)], True),
    "bilinear": (given.upsample("bilinear"), [(7, 6, 3)], True),
    "nearest": (given.upsample("nearest"), [(7, 6, 3)], True),
    "concatenate": (
        alike("concatenate", [3, 2, 7], ins=[[3, 2, 4], [3, 2, 1], [3, 2, 2]]),
        [(3, 2, 4), (3, 2, 1), (3, 2, 2)],
        True,
    ),
    "add": (alike("add", [3, 2, 4], ins=[[3, 2, 4], [1, 1, 4]]), [(3, 2, 4), (1, 1, 4)], True),
    "multiply": (
        alike("multiply", [3, 2, 4], ins=[[1, 1, 4], [3, 2, 1]]),
        [(1, 1, 4), (3, 2, 1)],
        True,
    ),
    "multiply by a constant": (
        given.join("multiply", [3, 2, 4], numbers(1, 1, 1, 4)),
        [(3, 2, 4)],
        True,
    ),
    "divide": (
        alike("divide", [2, 3, 2], ins=[[2, 3, 2], [2, 1, 2]]),
        [(2, 3, 2), (2, 1, 2)],
        False,
    ),
    "layer norm": (given.example_norm("layer_norm", [3, 2, 5]), [(3, 2, 5)], False),
    "group norm": (given.example_norm("group_norm", [3, 2, 6], groups=2), [(3, 2, 6)], False),
    "softmax": (alike("softmax", [5]), [(5,)], False),
    "softmax of pixels": (alike("activation", [2, 3, 4], function="softmax"), [(2, 3, 4)], False),
    "spatial dropout": (alike("spatial_dropout", [2, 2, 3], rate=0.5), [(2, 2, 3)], True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_transposed(kit: Page, name: str) -> None:
    layer, shapes, linear = LAYERS[name]
    xs = [numbers(20 + k, *shape) for k, shape in enumerate(shapes)]
    if name == "divide":
        xs[1] = np.sign(xs[1]) * (1 + abs(xs[1]))
    gradient = numbers(30, *layer["out"])
    ours = back(kit, layer, xs, gradient)
    wanted = by_differences(layer, xs, gradient, 1.0 if linear else 1e-5)
    for mine, theirs in zip(ours, wanted, strict=True):
        atol = (1e-12 if linear else 1e-9) * abs(theirs).max()
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol)
        assert abs(theirs).max() > 0.1


@pytest.mark.parametrize("ties", [False, True])
def test_max_pooling_goes_to_the_first_of_equal_cells(kit: Page, ties: bool) -> None:
    layer = given.pool("max_pool")
    x = numbers(21, 7, 6, 3)
    x = np.maximum(x.round(), 0) if ties else x
    gradient = numbers(31, *layer["out"])
    (ours,) = back(kit, layer, [x], gradient)
    settings: Any = {"stride": (2, 1), "padding": ((1, 1), (0, 1))}
    wanted = oracle.max_pool2d_gradient(x[None], gradient[None], (3, 2), **settings)[0]
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-14)
    with jax.enable_x64(True):
        g = jnp.asarray(gradient[None])
        pool = jax.jit(lambda x: jax.vjp(lambda x: ops.max_pool2d(x, (3, 2), **settings), x)[1](g))
        (by_jax,) = pool(jnp.asarray(x[None]))
    np.testing.assert_allclose(ours, by_jax[0], rtol=0, atol=1e-14)


FUNCTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    **{
        name: getattr(ops, name)
        for name in ("relu", "relu6", "elu", "selu", "gelu", "silu", "mish", "sigmoid")
    },
    **{name: getattr(ops, name) for name in ("hard_sigmoid", "hard_swish", "tanh", "softplus")},
    "leaky_relu": partial(ops.leaky_relu, slope=0.3),
    "gelu_tanh": partial(jax.nn.gelu, approximate=True),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_are_those_of_jcnn(kit: Page, name: str) -> None:
    """At corners, too, and to a relative 1e-10 in the tails."""
    corners = [0.0, -3.0, 3.0, 6.0, -6.0, 1e-9, -1e-9]
    x = np.concatenate([numbers(8, 60) * 4, corners, [-20.0, 20.0]])
    layer = alike("activation", [x.size], function=name, slope=0.3)
    (ours,) = back(kit, layer, [x], np.ones_like(x))
    with jax.enable_x64(True):
        wanted = np.asarray(jax.vmap(jax.grad(FUNCTIONS[name]))(jnp.asarray(x)))
    assert wanted.dtype == np.float64
    # JAX's own gelu by tanh cancels in its tails.
    atol = 1e-13 if name == "gelu_tanh" else 1e-300
    np.testing.assert_allclose(ours, wanted, rtol=1e-10, atol=atol)


def test_two_reads_of_one_number_are_summed(kit: Page) -> None:
    """The square of x has the slope 2 x."""
    layer = given.join("multiply", [2, 3, 2])
    x, gradient = numbers(22, 2, 3, 2), numbers(23, 2, 3, 2)
    ours = sum(back(kit, layer, [x, x], gradient))
    np.testing.assert_allclose(ours, 2 * x * gradient, rtol=1e-15)
