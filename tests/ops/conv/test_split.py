"""A convolution of images that are split over devices keeps them where they are."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jcnn import ops
from jcnn.ops.conv import primitive
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.primitive import conv
from jcnn.ops.conv.split import split_of
from jcnn.ops.conv.table import lookup
from tests.ops.conv import oracle

DEVICES = 4
RNG = np.random.default_rng(3)
X = RNG.standard_normal((8, 4, 3, 16), dtype=np.float32)
KERNEL = RNG.standard_normal((3, 3, 16, 32), dtype=np.float32)
G = RNG.standard_normal((8, 4, 3, 32), dtype=np.float32)


def by_definition() -> Any:
    return oracle.conv2d(oracle.float64(X), oracle.float64(KERNEL))


def mesh_of(name: str, kind: AxisType) -> Mesh:
    return Mesh(np.array(jax.devices()[:DEVICES]), (name,), axis_types=(kind,))


def placed(mesh: Mesh, *axes: str | None) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Images, kernel and the result's gradient; the images are split as `axes` say."""
    split, whole = NamedSharding(mesh, P(*axes)), NamedSharding(mesh, P())
    return jax.device_put(X, split), jax.device_put(KERNEL, whole), jax.device_put(G, split)


def collectives(program: Any) -> list[str]:
    names = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
    return re.findall(rf"\b({names})(?:-start)?\(", program.as_text())


def both_gradients(convolve: Callable[..., jax.Array] = ops.conv2d) -> Callable[..., Any]:
    """The result and the gradients by input and kernel, for the result's gradient."""

    def run(x: jax.Array, kernel: jax.Array, g: jax.Array) -> tuple[jax.Array, ...]:
        y, back = jax.vjp(convolve, x, kernel)
        return (y, *back(g))

    return run


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of positions of each convolution that the table was asked for."""
    seen: list[int] = []

    def choose(convolution: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(convolution.extents[0])
        return original(convolution, *args, **kwargs)

    original = lookup.choose
    monkeypatch.setattr(primitive, "choose", choose)
    return seen


def test_explicit_axes_keep_the_sharding_in_the_type(sizes: list[int]) -> None:
    arrays = placed(mesh_of("b", AxisType.Explicit), "b")
    program = jax.jit(both_gradients()).lower(*arrays).compile()
    y, by_x, by_kernel = program(*arrays)
    assert jax.typeof(y).sharding.spec == jax.typeof(by_x).sharding.spec == P("b", None, None, None)
    assert jax.typeof(by_kernel).sharding.spec == P(None, None, None, None)
    assert collectives(program) == ["all-reduce"]
    assert sizes == [len(X) // DEVICES * 4 * 3] * 3  # the table sees one device's images
    np.testing.assert_allclose(np.asarray(y), by_definition(), rtol=0, atol=1e-3)
    want = jax.jit(both_gradients())(X, KERNEL, G)
    for got, one in zip((y, by_x, by_kernel), want, strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(one), rtol=0, atol=2e-3)


def test_explicit_axes_under_vmap() -> None:
    mesh = mesh_of("b", AxisType.Explicit)
    x, kernel, _ = placed(mesh, "b")
    xs = jax.device_put(np.stack([X, 2 * X]), NamedSharding(mesh, P(None, "b")))
    y = jax.vmap(ops.conv2d, (0, None))(xs, kernel)
    assert jax.typeof(y).sharding.spec == P(None, "b", None, None, None)
    one = np.asarray(ops.conv2d(x, kernel))
    np.testing.assert_allclose(np.asarray(y), np.stack([one, 2 * one]), rtol=0, atol=1e-3)


@pytest.mark.parametrize("axes", [(None, "b"), (None, None, None, "b")])
def test_other_explicit_shardings_are_refused(axes: tuple[str | None, ...]) -> None:
    mesh = mesh_of("b", AxisType.Explicit)
    x = jax.device_put(np.ones((4, 8, 8, 16), np.float32), NamedSharding(mesh, P(*axes)))
    with pytest.raises(ValueError, match=r"conv2d: got operands with shardings .* the examples"):
        ops.conv2d(x, jax.device_put(KERNEL, NamedSharding(mesh, P())))


def test_automatic_axes_without_a_mesh_in_context_take_lax(sizes: list[int]) -> None:
    arrays = placed(mesh_of("anything", AxisType.Auto), "anything")
    program = jax.jit(both_gradients()).lower(*arrays).compile()
    assert collectives(program) == ["all-reduce"]
    assert not sizes  # compiled code, which the table may name, would gather the images
    y, by_x, by_kernel = program(*arrays)
    assert y.sharding.spec == by_x.sharding.spec == P("anything")
    assert by_kernel.sharding.is_fully_replicated
    np.testing.assert_allclose(np.asarray(y), by_definition(), rtol=0, atol=1e-3)


def on_named_mesh(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    def run(*arrays: jax.Array) -> Any:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(*arrays)

    return run


@pytest.mark.parametrize("lowering", ["auto", *sorted(LOWERINGS)])
def test_each_lowering_gathers_no_images(lowering: str, sizes: list[int]) -> None:
    alone = lowering in ("groups", "native_depthwise", "rows")  # one channel for each filter
    stride = 2 if lowering == "phases" else 1
    kernel = RNG.standard_normal((3, 3, 1 if alone else 16, 16), dtype=np.float32)
    params: dict[str, Any] = {"stride": (stride, stride), "padding": ((1, 1), (1, 1))}
    params |= {"in_dilation": (1, 1), "dilation": (1, 1), "groups": 16 if alone else 1}

    def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return conv(x, kernel, lowering=lowering, precision=None, **params)

    mesh = mesh_of("data", AxisType.Auto)
    x, _, _ = placed(mesh, "data")
    kernel = jax.device_put(kernel, NamedSharding(mesh, P()))
    function = both_gradients(convolve)
    if lowering == "rows":  # it is for a gradient by the kernel

        def function(x: jax.Array, kernel: jax.Array, g: jax.Array) -> Any:
            how = params | {"lowering": "rows", "precision": None, "split": split_of(x[None])}
            return (
                primitive.conv_p.bind(x[None], g[None], direction="by kernel", size=(3, 3), **how)[
                    0
                ],
            )

    g = np.zeros(jax.eval_shape(convolve, x, kernel).shape, np.float32) + G[:, :1, :1, :16]
    g = jax.device_put(g, NamedSharding(mesh, P("data")))
    program = jax.jit(on_named_mesh(function, mesh)).lower(x, kernel, g).compile()
    found = program(x, kernel, g)
    assert collectives(program) == ["all-reduce"]
    assert len(x) // DEVICES == 2 and all(size == 2 * 4 * 3 for size in sizes)
    want = jax.jit(function)(X, np.asarray(kernel), np.asarray(g))
    for got, one in zip(found, want, strict=True):
        assert not got.sharding.is_fully_replicated or got.shape == kernel.shape
        np.testing.assert_allclose(np.asarray(got), np.asarray(one), rtol=0, atol=1e-3)


def test_images_that_no_equal_parts_hold_are_computed_whole(sizes: list[int]) -> None:
    mesh = mesh_of("data", AxisType.Auto)
    y = jax.jit(on_named_mesh(ops.conv2d, mesh))(X[:7], KERNEL)
    assert sizes == [7 * 4 * 3]
    np.testing.assert_array_equal(np.asarray(y), np.asarray(jax.jit(ops.conv2d)(X[:7], KERNEL)))


def test_inside_shard_map_gradients_are_those_of_lax() -> None:
    """A kernel that is the same on all devices has the sum of their gradients."""
    mesh = mesh_of("b", AxisType.Auto)

    def gradients(convolve: Callable[..., jax.Array]) -> Any:
        def loss(x: jax.Array, kernel: jax.Array) -> jax.Array:
            total: jax.Array = jax.lax.psum(jnp.sum(jnp.tanh(convolve(x, kernel) / 9)), "b")
            return total

        return jax.jit(
            jax.shard_map(
                jax.grad(loss, (0, 1)),
                mesh=mesh,
                in_specs=(P("b"), P()),
                out_specs=(P("b"), P()),
            )
        )(X, KERNEL)

    def by_lax(x: jax.Array, kernel: jax.Array) -> jax.Array:
        layouts = ("NHWC", "HWIO", "NHWC")
        y: jax.Array = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=layouts
        )
        return y

    for got, want in zip(gradients(ops.conv2d), gradients(by_lax), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=0, atol=1e-3)
