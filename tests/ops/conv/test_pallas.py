"""Method "pallas" without a GPU: its kernel in JAX's interpreter, and lowered as for a GPU.

The interpreter is slow, so the cases are few and small. Together they cover several tiles and a
partial one in every direction, every block shape, every stride, dilation and padding, more steps
than stages, and split contractions.
"""

import dataclasses
import itertools
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from jcnn.ops.conv.lowerings import pallas as pallas_lowering
from jcnn.ops.conv.lowerings.lowering import Params
from jcnn.ops.conv.lowerings.pallas import interpreted
from jcnn.ops.conv.lowerings.pallas_kernel import FILL, Plan, plan
from tests.ops.conv import oracle, test_contract, test_contract_transforms
from tests.ops.conv.cases import CASES, Case, Operands, conv, expected, operands, reason_against
from tests.ops.conv.tolerances import assert_close

# With the block shape (64 images, rows, columns) of each.
TILES = {
    "positions": (Case((2, 6, 5, 3), (2, 1, 3, 4), padding="VALID"), (1, 2, 2)),
    "images": (Case((260, 1, 1, 3), (1, 1, 3, 5)), (4, 1, 1)),
    "filters": (Case((1, 1, 1, 3), (1, 1, 3, 130)), (1, 2, 2)),
    "pairs": (Case((65, 1, 2, 3), (1, 2, 3, 5)), (2, 1, 2)),
    "columns": (Case((1, 1, 5, 3), (1, 1, 3, 2)), (1, 1, 4)),
    "rows": (Case((1, 5, 1, 3), (1, 1, 3, 2)), (1, 4, 1)),
    "channels": (Case((2, 2, 2, 70), (2, 2, 70, 3), dtype="bfloat16"), (1, 2, 2)),
    "few channels": (Case((2, 2, 2, 17), (1, 1, 17, 3), dtype="float16"), (1, 2, 2)),
    "split": (Case((2, 2, 17, 3), (2, 16, 3, 4), padding="VALID"), (1, 2, 2)),
    "movement": (Case((1, 7, 6, 2), (2, 2, 2, 3), (3, 2), ((2, 0), (0, 3)), (1, 2)), (1, 1, 4)),
}
TINY = Case((1, 4, 3, 2), (2, 2, 2, 3), (2, 1), ((0, 1), (2, 0)), (1, 2))


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernel runs on the CPU."""
    if jax.__version_info__ < (0, 11):
        # The interpreter would compile the same program for every block.
        from jax._src.pallas.mosaic.interpret import thread_map

        monkeypatch.setattr(thread_map, "_run_jaxpr", _compiled_once())
    with interpreted():
        yield


def _compiled_once() -> Callable[..., None]:
    kept: dict[Any, Any] = {}
    lock = threading.Lock()

    def run(jaxpr: Any, consts: Any, *args: Any) -> None:
        def body(consts: Any, *args: Any) -> None:
            jax.core.eval_jaxpr(jaxpr, consts, *args)

        with lock:
            if jaxpr not in kept:
                kept[jaxpr] = jax.jit(body).lower(consts, *args).compile()
        kept[jaxpr](consts, *args)

    return run


def planned(case: Case, **how: bool) -> Plan:
    x: Any = jax.ShapeDtypeStruct(case.x_shape, case.dtype)
    kernel: Any = jax.ShapeDtypeStruct(case.kernel_shape, case.dtype)
    how = {"pool": False, "may_split": True, **how}
    return plan(x, kernel, case.y_shape[1:3], **how)


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TILES)
def test_tiles(name: str, interpreter: None) -> None:
    case, slabs = TILES[name]
    assert planned(case).slabs == slabs
    a = operands(case)
    y = jax.jit(conv(case, "pallas"))(a.x, a.kernel)
    want = oracle.conv2d(oracle.float64(a.x), oracle.float64(a.kernel), **case.how)
    assert_close(y, want, dtype=case.dtype, method="pallas", terms=case.terms[0])


def test_splits_fill_the_gpu_and_start_no_second_round() -> None:
    """A gradient by kernel: 3x3, 256 channels to 256, 56x56, batch 64; 18 blocks without."""
    x: Any = jax.ShapeDtypeStruct((256, 58, 58, 64), "bfloat16")
    kernel: Any = jax.ShapeDtypeStruct((56, 56, 64, 256), "bfloat16")
    p = plan(x, kernel, (3, 3), pool=False, may_split=True)
    assert (p.slabs, math.prod(p.tiles) * 2, p.splits) == ((4, 1, 1), 18, 7)


def test_the_cases_have_what_they_are_for() -> None:
    assert planned(TILES["split"][0]).splits == 2
    ring = planned(TILES["channels"][0])
    assert (ring.channels, ring.stages) == (64, 4)  # and two blocks of channels at 4 cells: 8 steps
    assert planned(TILES["few channels"][0]).channels == 32
    assert planned(TILES["images"][0]).tiles == (2, 1, 1)
    assert planned(TILES["positions"][0]).tiles == (1, 3, 3)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_value_and_gradients(dtype: str, interpreter: None) -> None:
    case = dataclasses.replace(TINY, dtype=dtype)
    test_contract.check_value_and_gradients("pallas", [case])


def test_jvp(interpreter: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "tiny", TINY)
    test_contract_transforms.test_jvp("pallas", ("tiny",))


@pytest.mark.slow  # the cases of `test_tiles` have no bias, and those of `test_fused` have
def test_no_bias_is_a_bias_of_zero(interpreter: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "plain", TINY)
    test_contract.test_no_bias_is_a_bias_of_zero("pallas")


def test_sums_over_the_kernel_in_at_least_32_bits(interpreter: None) -> None:
    test_contract.test_sums_over_the_kernel_in_at_least_32_bits("pallas")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.groups == 1])
def test_the_contract(name: str, interpreter: None) -> None:
    test_contract.check_value_and_gradients("pallas", [CASES[name]])


@pytest.mark.slow
@pytest.mark.parametrize("mapped", ["inputs", "kernels", "both"])
def test_vmap(mapped: str, interpreter: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "tiny", TINY)
    test_contract_transforms.test_vmap_of_value_and_gradients("pallas", ("tiny",), mapped)


@pytest.mark.slow
def test_training_in_a_scan(interpreter: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "tiny", TINY)
    test_contract_transforms.test_training_in_a_scan("pallas", ("tiny",))


@pytest.mark.slow
def test_second_derivative(interpreter: None) -> None:
    """Forward over reverse, as XLA's convolution has it."""
    a, along = operands(TINY), operands(TINY, "direction")

    def product(method: str) -> Any:
        def loss(x: jax.Array, kernel: jax.Array) -> jax.Array:
            return jnp.sum(conv(TINY, method)(x, kernel) ** 2)

        gradient = jax.grad(loss, (0, 1))
        run = jax.jit(lambda *ab: jax.jvp(gradient, ab[:2], ab[2:])[1])
        return run(a.x, a.kernel, along.x, along.kernel)

    for one, want in zip(product("pallas"), product("lax"), strict=True):
        np.testing.assert_allclose(one, want, rtol=0, atol=1e-4)


# --- bias, ReLU and pooling -----------------------------------------------------------------------

RELU = Case((2, 5, 4, 3), (2, 2, 3, 4), padding=((1, 0), (0, 1)))


def relu_expected(case: Case, a: Operands, pool: bool) -> oracle.Array:
    y = np.maximum(expected(case, a)[0], 0)
    return oracle.max_pool2d(y, 2) if pool else y


def relu_of(case: Case, method: str, pool: bool) -> Callable[..., jax.Array]:
    def run(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
        return ops.conv2d_relu(x, kernel, bias, **case.how, pool=pool, method=method)

    return run


def gradients(run: Callable[..., jax.Array], a: Operands) -> tuple[jax.Array, ...]:
    def weighted(*arrays: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = run(*arrays)
        rows, columns = y.shape[1:3]
        return jnp.sum(y * a.g[:, :rows, :columns]), y

    got, y = jax.jit(jax.grad(weighted, (0, 1, 2), has_aux=True))(a.x, a.kernel, a.bias)
    return (y, *got)


@pytest.mark.parametrize("pool", [False, True])
def test_fused(pool: bool, interpreter: None) -> None:
    case = dataclasses.replace(RELU, dtype="bfloat16" if pool else "float32")
    a = operands(case)
    y = jax.jit(relu_of(case, "pallas", pool))(a.x, a.kernel, a.bias)
    want = relu_expected(case, a, pool)
    assert 0.2 < (relu_expected(case, a, False) > 0).mean() < 0.8
    assert_close(y, want, dtype=case.dtype, method="pallas", terms=case.terms[0])


def test_gradient_of_fused(interpreter: None) -> None:
    """Against the composition of XLA's convolution, the ReLU and the pooling."""
    a = operands(TINY)
    got = gradients(relu_of(TINY, "pallas", True), a)
    want = gradients(relu_of(TINY, "lax", True), a)
    for one, other in zip(got, want, strict=True):
        assert np.any(other)
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-5)


@pytest.mark.slow
def test_vmap_of_fused(interpreter: None) -> None:
    a, b = operands(TINY), operands(TINY, "other")
    x, bias = jnp.stack([a.x, b.x]), jnp.stack([a.bias, b.bias], axis=1)
    got = jax.jit(jax.vmap(relu_of(TINY, "pallas", True), (0, None, 1)))(x, a.kernel, bias)
    want = jax.vmap(relu_of(TINY, "lax", True), (0, None, 1))(x, a.kernel, bias)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)


@pytest.mark.parametrize("pool", [False, True])
def test_composed(pool: bool) -> None:
    """Every other method composes the ops, which are tested elsewhere."""
    case = CASES["everything"]
    a = operands(case)
    y = relu_of(case, "im2col", pool)(a.x, a.kernel, a.bias)
    want = relu_expected(case, a, pool)
    assert_close(y, want, dtype="float32", method="im2col", terms=case.terms[0])
    without = ops.conv2d_relu(a.x, a.kernel, **case.how, pool=pool, method="im2col")
    np.testing.assert_array_equal(without, relu_of(case, "im2col", pool)(a.x, a.kernel, 0 * a.bias))


# --- what a GPU would get -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relu", "pool", "dtype"),
    [
        (False, False, "float32"),
        (True, False, "float32"),
        (True, True, "float32"),
        (True, True, "bfloat16"),
        (False, False, "float16"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                (False, False, "bfloat16"),
                (True, False, "bfloat16"),
                (True, False, "float16"),
                (True, True, "float16"),
            ]
        ),
    ],
)
def test_lowers_for_a_gpu(dtype: str, relu: bool, pool: bool) -> None:
    """Mosaic GPU accepts the kernel and its shared memory; its own compiler has not seen it."""
    x = jax.ShapeDtypeStruct((64, 56, 56, 256), dtype)
    kernel = jax.ShapeDtypeStruct((3, 3, 256, 256), dtype)
    bias = jax.ShapeDtypeStruct((256,), dtype) if relu else None
    how = Params((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), groups=1)

    def run(x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
        return pallas_lowering.run(x, kernel, how, bias=bias, relu=relu, pool=pool)

    lowered = jax.jit(run).trace(x, kernel, bias).lower(lowering_platforms=("cuda",))
    assert "mosaic_gpu" in lowered.as_text()


def test_a_gradient_by_kernel_lowers_for_a_gpu() -> None:
    """In float32, with many kernel rows, few tiles and a split contraction."""
    x = jax.ShapeDtypeStruct((256, 30, 30, 64), "float32")
    kernel = jax.ShapeDtypeStruct((28, 28, 64, 256), "float32")
    how = Params((1, 1), ((0, 0), (0, 0)), (1, 1), (1, 1), groups=1)
    run = jax.jit(lambda x, k: pallas_lowering.run(x, k, how))
    assert "mosaic_gpu" in run.trace(x, kernel).lower(lowering_platforms=("cuda",)).as_text()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_plans(dtype: str) -> None:
    """Every plan fits Hopper's shared memory, covers all terms, and has no deadlock."""
    sizes = itertools.product((1, 64, 100), (1, 7, 28), (1, 3, 28), (3, 17, 64, 300), (10, 256))
    item = jnp.dtype(dtype).itemsize
    split = set()
    for n, size, cells, c, o in sizes:
        case = Case((n, size, size + 1, c), (cells, 3, c, o), dtype=dtype)
        for pool in (False, True) if size > 1 else (False,):
            p = planned(case, pool=pool, may_split=not pool)
            assert math.prod(p.slabs) == 4
            assert cells % p.splits == 0
            steps = cells // p.splits * 3 * -(-c // p.channels)
            assert min(2, steps) <= p.stages <= steps
            assert p.splits == 1 or steps >= 16
            stage = (256 + p.columns) * p.channels * item
            out = 2 * 64 * p.columns * (4 if p.splits > 1 else item)
            assert p.stages * stage + out < 227 * 1024
            for have, tiles, slab in zip(
                (n, size, size + 1), p.tiles, (64 * p.slabs[0], *p.slabs[1:]), strict=True
            ):
                assert (tiles - 1) * slab < have <= tiles * slab
            split.add(p.splits > 1 and math.prod(p.tiles) < FILL)
    assert split == {False, True}


# --- what it refuses ------------------------------------------------------------------------------


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is a device")
def test_without_a_gpu_it_says_so() -> None:
    a = operands(TINY)
    reason = r"needs an NVIDIA GPU of compute capability 9.0 \(H100, H200\); this is cpu$"
    for call in (conv(TINY, "pallas"), relu_of(TINY, "pallas", False)):
        with pytest.raises(NotImplementedError, match=f"^method 'pallas': {reason}"):
            call(a.x, a.kernel, a.bias)


def test_refuses_what_it_cannot_do() -> None:
    with interpreted():
        reasons = {
            name: reason_against("pallas", dataclasses.replace(CASES[name], dtype=dtype))
            for name, dtype in (("plain", "float64"), ("groups", "float32"), ("plain", "float16"))
        }
    assert reasons["groups"] == "does groups=1 only; this has 2"
    assert reasons["plain"] is None
    with interpreted():
        wide = reason_against("pallas", dataclasses.replace(CASES["plain"], dtype="float64"))
    tensor_cores = "does float32, bfloat16, float16, which the tensor cores multiply"
    assert wide == f"{tensor_cores}; this is float64"


def test_more_precision_than_it_has_is_refused() -> None:
    a = operands(TINY)
    tail = "multiplies float32 as TensorFloat-32; precision 'highest' is more"
    with interpreted():
        for call in (ops.conv2d, ops.conv2d_relu):
            with pytest.raises(NotImplementedError, match=f"^method 'pallas': {tail}$"):
                call(a.x, a.kernel, method="pallas", precision="highest")
            with (
                jax.default_matmul_precision("highest"),
                pytest.raises(NotImplementedError, match=tail),
            ):
                call(a.x, a.kernel, method="pallas")


def test_the_method_is_compiled_for_a_gpu_that_is_not_here() -> None:
    shapes = ((4, 9, 8, 16), (3, 3, 16, 32), (4, 9, 8, 32))
    x, kernel, g = (jax.ShapeDtypeStruct(shape, "bfloat16") for shape in shapes)

    def run(x: jax.Array, kernel: jax.Array, g: jax.Array) -> Any:
        y, pull_back = jax.vjp(lambda *of: ops.conv2d(*of, method="pallas"), x, kernel)
        return y, pull_back(g)

    with pytest.raises(NotImplementedError, match="needs an NVIDIA GPU"):
        jax.jit(run).trace(x, kernel, g)
    with pallas_lowering.assuming_hopper():
        lowered = jax.jit(run).trace(x, kernel, g).lower(lowering_platforms=("cuda",))
    text = lowered.as_text()
    assert text.count("@mosaic_gpu") == 3
    assert "stablehlo.convolution" not in text
