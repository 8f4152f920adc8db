"""The table of methods: the named method runs, and there is no fallback to another."""

import dataclasses
import re
from collections.abc import Iterator

import jax
import pytest
from jax.extend import core

from jcnn import ops
from jcnn.ops import ConvMethod, Precision, Window
from tests.ops.conv.cases import Case, conv, every_method, gradients, operands

CASE = Case((2, 5, 6, 4), (3, 2, 2, 6), groups=2)
SQUARE = Case((2, 5, 6, 4), (3, 3, 2, 6), groups=2)  # for every method


def equations(jaxpr: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """All equations of a jaxpr, those inside others included."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            if isinstance(value, core.ClosedJaxpr):
                yield from equations(value.jaxpr)


def primitives(jaxpr: core.ClosedJaxpr) -> list[str]:
    return [equation.primitive.name for equation in equations(jaxpr.jaxpr)]


def traced(method: str) -> list[str]:
    a = operands(CASE)
    return primitives(jax.make_jaxpr(conv(CASE, method))(a.x, a.kernel))


def lowerings(jaxpr: core.ClosedJaxpr) -> list[str]:
    """The lowering parameter of each convolution of a jaxpr."""
    found = equations(jaxpr.jaxpr)
    return [e.params["lowering"] for e in found if e.primitive.name == "jcnn_conv"]


@pytest.mark.parametrize("method", ["auto", "lax"])
def test_auto_and_lax_are_one_convolution(method: str) -> None:
    names = traced(method)
    assert names.count("jcnn_conv") == 1
    assert "dot_general" not in names


@pytest.mark.parametrize("method", ["auto", "lax"])
def test_gradients_have_the_lowering_of_the_convolution(method: str) -> None:
    a = operands(CASE)
    run = jax.vmap(gradients(CASE, method), (0, 0, None, 0))
    stacked = [array[None] for array in (a.x, a.kernel, a.g)]
    jaxpr = jax.make_jaxpr(run)(stacked[0], stacked[1], a.bias, stacked[2])
    assert lowerings(jaxpr) == [method] * 3


def test_im2col_is_one_matrix_product() -> None:
    names = traced("im2col")
    assert names.count("dot_general") == 1
    assert not [name for name in names if "conv_" in name or name == "jcnn_conv"]


def test_shift_is_one_matrix_product_for_each_kernel_cell() -> None:
    names = traced("shift")
    assert names.count("dot_general") == CASE.kernel_shape[0] * CASE.kernel_shape[1]
    assert not [name for name in names if "conv_general" in name or name == "jcnn_conv"]


@pytest.mark.parametrize("method", ["im2col", "shift"])
def test_products_of_16_bits_are_added_in_32(method: str) -> None:
    """Requested explicitly: the CPU would do it anyway, other backends need not."""
    a = operands(dataclasses.replace(CASE, dtype="bfloat16"))
    jaxpr = jax.make_jaxpr(conv(CASE, method))(a.x, a.kernel)
    products = [e for e in equations(jaxpr.jaxpr) if e.primitive.name == "dot_general"]
    assert products
    assert [e for e in products if not e.outvars[0].aval.str_short().startswith("float32[")] == []


@every_method(SQUARE)
def test_precision_reaches_every_product_and_its_gradients(method: str) -> None:
    a = operands(SQUARE)

    def loss(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return ops.conv2d(x, kernel, groups=2, method=method, precision="highest").sum()

    jaxpr = jax.make_jaxpr(jax.value_and_grad(loss, (0, 1)))(a.x, a.kernel)
    products = [e for e in equations(jaxpr.jaxpr) if "precision" in e.params]
    assert len(products) >= 3
    assert [e for e in products if "HIGHEST" not in str(e.params["precision"]).upper()] == []


def test_auto_is_the_default() -> None:
    a = operands(CASE)
    jaxpr = jax.make_jaxpr(lambda x, k: ops.conv2d(x, k, groups=2))(a.x, a.kernel)
    assert lowerings(jaxpr) == ["auto"]


def test_a_method_gets_the_resolved_window(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(
        x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
    ) -> jax.Array:
        seen.append((window, groups, precision))
        return jax.numpy.zeros((x.shape[0], *window.out_size, kernel.shape[-1]))

    monkeypatch.setitem(ops.METHODS, "record", ConvMethod(record))
    a = operands(CASE)
    y = ops.conv2d(a.x, a.kernel, a.bias, groups=2, method="record", precision="highest")
    window = ops.resolve_window((5, 6), (3, 2), padding="SAME")
    assert seen == [(window, 2, "highest")]
    # `conv2d` adds the bias, whatever the method.
    assert (y == a.bias).all()


def test_an_unknown_method_is_refused_by_name() -> None:
    a = operands(CASE)
    accepted = ", ".join(f"'{name}'" for name in ops.METHODS)
    with pytest.raises(
        ValueError, match=f"^method: got 'karatsuba'; accepted: {accepted}, or a ConvMethod$"
    ):
        ops.conv2d(a.x, a.kernel, groups=2, method="karatsuba")


def test_an_unsupported_case_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no silent fallback to another method."""

    def never(*args: object) -> jax.Array:
        raise AssertionError("an unsupported method must not run")

    def unsupported(x: jax.Array, kernel: jax.Array, window: Window, groups: int) -> str | None:
        return "does 3x3 kernels only" if window.kernel != (3, 3) else None

    monkeypatch.setitem(ops.METHODS, "picky", ConvMethod(never, unsupported))
    a = operands(CASE)
    reason = re.escape("method 'picky': does 3x3 kernels only")
    with pytest.raises(NotImplementedError, match=f"^{reason}$"):
        ops.conv2d(a.x, a.kernel, groups=2, method="picky")
    square = operands(Case((1, 4, 4, 2), (3, 3, 2, 2)))
    with pytest.raises(AssertionError, match="must not run"):
        ops.conv2d(square.x, square.kernel, method="picky")
