"""Transposed convolution: against a scatter by definition, as conv2d's adjoint, and transformed."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import (
    DTYPES,
    Case,
    Operands,
    draw,
    naming,
    precision_for,
    quickly,
    together,
)
from tests.ops.conv.oracle import Array, Padding, Size
from tests.ops.conv.strategies import check_together, conv_cases, count, every_share, programs
from tests.ops.conv.tolerances import allowed, assert_close


@dataclass(frozen=True)
class Transposed:
    """One transposed convolution; the kernel is `(KH, KW, O // groups, C)`."""

    x_shape: tuple[int, int, int, int]
    kernel_shape: tuple[int, int, int, int]
    stride: Size = 1
    padding: Padding = "SAME"
    output_padding: Size = 0
    dilation: Size = 1
    groups: int = 1
    dtype: str = "float32"

    @property
    def how(self) -> dict[str, Any]:
        """The keyword arguments of the op."""
        fields = ("stride", "padding", "output_padding", "dilation", "groups")
        return {name: getattr(self, name) for name in fields}

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        """Shape of the result, by the oracle."""
        size = oracle.conv_transpose2d_size(
            self.x_shape[1:3],
            self.kernel_shape[:2],
            self.stride,
            self.padding,
            self.output_padding,
            self.dilation,
        )
        return (self.x_shape[0], *size, self.kernel_shape[2] * self.groups)

    @property
    def terms(self) -> tuple[int, int, int, int]:
        """Lengths of the sums: of an output, and of its gradients by x, kernel and bias."""
        kh, kw, per_group, channels = self.kernel_shape
        n, h, w, _ = self.x_shape
        positions = int(np.prod(self.y_shape[:3]))
        return kh * kw * channels // self.groups + 1, kh * kw * per_group, n * h * w, positions


CASES = {
    "plain": Transposed((2, 4, 5, 3), (3, 2, 4, 3)),
    "SAME and stride": Transposed((2, 3, 4, 3), (3, 3, 2, 3), stride=2),
    # Outputs between the windows get nothing.
    "stride larger than kernel": Transposed((1, 3, 2, 2), (2, 1, 3, 2), stride=(3, 2)),
    "VALID and groups": Transposed((2, 3, 4, 4), (2, 3, 3, 4), 2, "VALID", groups=2),
    "dilation": Transposed((1, 4, 3, 2), (3, 2, 3, 2), (1, 2), "VALID", dilation=(2, 3)),
    "more than the kernel is cut": Transposed((1, 5, 6, 2), (2, 1, 3, 2), 1, ((2, 1), (0, 3))),
    "everything": Transposed(
        (2, 4, 3, 4), (2, 3, 3, 4), (3, 2), ((1, 2), (0, 1)), (2, 1), (2, 1), 2
    ),
}
every_case = pytest.mark.parametrize("name", CASES)


def conv_transpose(case: Transposed) -> Callable[..., jax.Array]:
    return lambda x, kernel, bias=None: ops.conv_transpose2d(x, kernel, bias, **case.how)


def gradients(case: Transposed) -> Callable[..., tuple[jax.Array, ...]]:
    def run(x: Any, kernel: Any, bias: Any, g: Any) -> tuple[jax.Array, ...]:
        y, pull_back = jax.vjp(conv_transpose(case), x, kernel, bias)
        return (y, *pull_back(g))

    return run


def operands(case: Transposed, name: str = "") -> Operands:
    return Operands(
        draw(f"{name} x", case.x_shape, case.dtype),
        draw(f"{name} kernel", case.kernel_shape, case.dtype),
        draw(f"{name} bias", case.y_shape[3:], case.dtype),
        draw(f"{name} g", case.y_shape, case.dtype),
    )


def expected(case: Transposed, a: Operands) -> tuple[Array, ...]:
    how = {name: value for name, value in case.how.items() if name != "output_padding"}
    arrays = (oracle.float64(array) for array in (a.x, a.kernel, a.bias, a.g))
    return oracle.conv_transpose2d(*arrays, **how)


# --- values and gradients -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, "float32") for name in CASES),
        *(("everything", dtype) for dtype in DTYPES if dtype != "float32"),
    ],
)
def test_value_and_gradients(name: str, dtype: str) -> None:
    case = dataclasses.replace(CASES[name], dtype=dtype)
    with precision_for(dtype):
        a = operands(case)
        got = quickly(gradients(case), a.x, a.kernel, a.bias, a.g)
        for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
            assert_close(one, want, dtype=dtype, method="lax", terms=terms)


@every_case
def test_the_shape_is_known_without_computing(name: str) -> None:
    case = CASES[name]
    shape = ops.conv_transpose_output_shape(case.x_shape, case.kernel_shape, **case.how)
    assert shape == case.y_shape
    x, kernel = (jax.ShapeDtypeStruct(s, "float32") for s in (case.x_shape, case.kernel_shape))
    assert jax.eval_shape(conv_transpose(case), x, kernel).shape == shape


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "extra", "dilation", "out"),
    [
        # Keras: SAME gives in * stride, VALID (in - 1) * stride + span where span >= stride.
        (7, 3, 2, "SAME", 0, 1, 14),
        (7, 2, 3, "SAME", 0, 1, 21),
        (7, 3, 2, "VALID", 0, 1, 15),
        (7, 3, 2, "VALID", 1, 1, 16),
        # PyTorch's documentation: (in - 1) * s - 2 * p + d * (k - 1) + extra + 1.
        (12, 3, 2, 1, 1, 1, 24),
        (6, 4, 3, 2, 2, 2, 20),
    ],
)
def test_one_axis(
    size: int, kernel: int, stride: int, padding: Padding, extra: int, dilation: int, out: int
) -> None:
    shape = ops.conv_transpose_output_shape(
        (1, size, size, 1),
        (kernel, kernel, 1, 1),
        stride=stride,
        padding=padding,
        output_padding=extra,
        dilation=dilation,
    )
    assert shape == (1, out, out, 1)


@every_share
def test_adjoint_of_conv2d(share: float) -> None:
    """`<conv2d(x, k), y> == <x, conv_transpose2d(y, k)>`, and both sides have the other's shape."""

    def both(case: Case) -> Callable[..., tuple[jax.Array, jax.Array]]:
        window = ops.resolve_window(
            case.x_shape[1:3],
            case.kernel_shape[:2],
            stride=case.stride,
            padding=case.padding,
            dilation=case.dilation,
        )
        # Cells at the end that no window reads: padding that the adjoint must add.
        unread = [
            window.in_size[a]
            + sum(window.padding[a])
            - window.span[a]
            - (window.out_size[a] - 1) * window.stride[a]
            for a in (0, 1)
        ]
        padding: Padding = window.padding
        if case.padding == "SAME" and all(
            size % step == 0 for size, step in zip(window.in_size, window.stride, strict=True)
        ):
            padding, unread = "SAME", [0, 0]

        def run(x: jax.Array, kernel: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
            back = ops.conv_transpose2d(
                y,
                kernel,
                stride=case.stride,
                padding=padding,
                output_padding=(unread[0], unread[1]),
                dilation=case.dilation,
                groups=case.groups,
            )
            return ops.conv2d(x, kernel, **case.how), back

        return run

    def check(cases: list[Case]) -> None:
        with precision_for("float64"):
            arrays = [
                tuple(
                    draw(name, shape, "float64")
                    for name, shape in (("x", c.x_shape), ("k", c.kernel_shape), ("y", c.y_shape))
                )
                for c in cases
            ]
            results = together([both(case) for case in cases], arrays)
            for case, (x, _, y), (there, back) in zip(cases, arrays, results, strict=True):
                with naming(case):
                    assert back.shape == case.x_shape
                    difference = abs(np.vdot(there, y) - np.vdot(x, back))
                    assert difference <= allowed("float64", "lax", there.size * case.terms[0])

    cases = count("transposed", share=share)
    check_together(check, conv_cases, cases, ["float64"], programs(share))


# --- transformed ----------------------------------------------------------------------------------

transformed = pytest.mark.parametrize("name", ["SAME and stride", "everything"])


@transformed
@pytest.mark.parametrize("mapped", ["inputs", "kernels", "both"])
def test_vmap_of_value_and_gradients(name: str, mapped: str) -> None:
    case = CASES[name]
    models = [operands(case, f"model {m}") for m in range(3)]
    if mapped == "inputs":
        models = [dataclasses.replace(m, kernel=models[0].kernel) for m in models]
    if mapped == "kernels":
        models = [dataclasses.replace(m, x=models[0].x) for m in models]
    axes = (None if mapped == "kernels" else 0, None if mapped == "inputs" else 1, 0, 0)
    x = models[0].x if axes[0] is None else jnp.stack([m.x for m in models])
    kernel = models[0].kernel if axes[1] is None else jnp.stack([m.kernel for m in models], 1)
    bias, g = jnp.stack([m.bias for m in models]), jnp.stack([m.g for m in models])
    got = quickly(jax.vmap(gradients(case), axes), x, kernel, bias, g)
    wanted = [expected(case, model) for model in models]
    for k, (one, terms) in enumerate(zip(got, case.terms, strict=True)):
        want = np.stack([w[k] for w in wanted])
        assert_close(one, want, dtype="float32", method="lax", terms=terms)


@transformed
def test_in_a_scan(name: str) -> None:
    case = CASES[name]
    steps = [operands(case, f"step {s}") for s in range(3)]
    stacked = tuple(
        jnp.stack([getattr(s, field) for s in steps]) for field in ("x", "kernel", "bias", "g")
    )
    run = gradients(case)
    _, got = quickly(lambda xs: jax.lax.scan(lambda c, a: (c, run(*a)), 0, xs), stacked)
    wanted = [expected(case, step) for step in steps]
    for k, (one, terms) in enumerate(zip(got, case.terms, strict=True)):
        want = np.stack([w[k] for w in wanted])
        assert_close(one, want, dtype="float32", method="lax", terms=terms)


@transformed
def test_jvp(name: str) -> None:
    case = CASES[name]
    at, along = operands(case), operands(case, "tangent")
    got = quickly(
        lambda *both: jax.jvp(conv_transpose(case), both[:3], both[3:])[1],
        *(at.x, at.kernel, at.bias, along.x, along.kernel, along.bias),
    )
    want = expected(case, dataclasses.replace(at, x=along.x, bias=along.bias))[0]
    want = want + expected(case, dataclasses.replace(at, kernel=along.kernel, bias=0 * at.bias))[0]
    assert_close(got, want, dtype="float32", method="lax", terms=2 * case.terms[0])


@transformed
def test_second_derivative(name: str) -> None:
    """`d/dx` of `<d/dk sum(y * g), dk>` is the gradient by x with `dk` for the kernel."""
    case = dataclasses.replace(CASES[name], dtype="float64")
    with precision_for("float64"):
        a, along = operands(case), operands(case, "direction")

        def slope(x: jax.Array, kernel: jax.Array) -> jax.Array:
            by_kernel = jax.grad(lambda k: jnp.sum(conv_transpose(case)(x, k) * a.g))(kernel)
            return jnp.sum(by_kernel * along.kernel)

        got = quickly(jax.grad(slope), a.x, a.kernel)
        want = expected(case, dataclasses.replace(a, kernel=along.kernel))[1]
        assert_close(got, want, dtype="float64", method="lax", terms=case.terms[1])
