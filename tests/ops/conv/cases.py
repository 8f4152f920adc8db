"""The fixed convolution cases of the contract suite, with their arrays and calls."""

import dataclasses
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from jcnn.ops.conv.lowerings.pallas import interpreted
from tests.ops.conv import oracle
from tests.ops.conv.oracle import Array, Padding, Size


class How(TypedDict):
    """Keyword arguments that `ops.conv2d` and `oracle.conv2d` share."""

    stride: Size
    padding: Padding
    dilation: Size
    groups: int


@dataclass(frozen=True)
class Case:
    """One convolution: shapes and parameters. Its values follow from them."""

    x_shape: tuple[int, int, int, int]
    kernel_shape: tuple[int, int, int, int]
    stride: Size = 1
    padding: Padding = "SAME"
    dilation: Size = 1
    groups: int = 1
    dtype: str = "float32"

    @property
    def how(self) -> How:
        """The keyword arguments of the call."""
        return How(
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        """Shape of the result, by the oracle."""
        hw = self.x_shape[1:3]
        size = oracle.out_size(hw, self.kernel_shape[:2], self.stride, self.padding, self.dilation)
        return (self.x_shape[0], *size, self.kernel_shape[3])

    @property
    def terms(self) -> tuple[int, int, int, int]:
        """Lengths of the sums: of an output, and of its gradients by x, kernel and bias."""
        kh, kw, per_group, filters = self.kernel_shape
        positions = int(np.prod(self.y_shape[:3]))
        return kh * kw * per_group + 1, kh * kw * filters // self.groups, positions, positions


@dataclass(frozen=True)
class PoolCase:
    """One pooling; `stride` None is the window's."""

    x_shape: tuple[int, int, int, int]
    window: tuple[int, int]
    stride: tuple[int, int] | None = None
    padding: Padding = "VALID"
    dtype: str = "float32"

    @property
    def how(self) -> dict[str, Any]:
        """The keyword arguments of the call."""
        return {"stride": self.stride, "padding": self.padding}


# Non-square images and channel counts that differ, so that swapped axes are detected.
# Small kernels: the compile time of "im2col" and "shift" grows with the kernel's cells.
CASES = {
    "plain": Case((2, 5, 7, 3), (3, 3, 3, 4)),
    "even kernel": Case((1, 5, 6, 2), (2, 4, 2, 3)),
    "1x1": Case((2, 4, 3, 3), (1, 1, 3, 5), padding="VALID"),
    "stride larger than kernel": Case((1, 8, 9, 2), (2, 2, 2, 3), stride=(3, 4), padding="VALID"),
    "stride and dilation": Case((1, 9, 8, 2), (3, 2, 2, 3), stride=(2, 3), dilation=2),
    "groups": Case((2, 5, 6, 4), (1, 3, 2, 6), groups=2),
    "depthwise": Case((2, 6, 5, 3), (3, 2, 1, 6), stride=2, groups=3),
    "asymmetric padding": Case((2, 5, 4, 2), (2, 3, 2, 3), padding=((0, 2), (3, 1))),
    "padding larger than kernel": Case((1, 3, 4, 2), (2, 1, 2, 3), stride=(2, 1), padding=4),
    "everything": Case((2, 7, 6, 4), (2, 3, 2, 4), (2, 3), ((3, 0), (1, 4)), (3, 2), 2),
    # XLA would swap the input gradient's operands, and abort; see `lowerings/lax.py`.
    "swapped operands": Case((1, 3, 4, 2), (2, 2, 2, 3), stride=(3, 2), padding=((3, 4), (3, 2))),
    # A stride that steps over the whole image: every window lies in the padding.
    "all in the padding": Case((1, 1, 2, 1), (1, 1, 1, 2), stride=(3, 5), padding=((2, 2), (3, 3))),
}

DTYPES = ("float64", "float32", "float16", "bfloat16")


def precision_for(dtype: str) -> AbstractContextManager[Any]:
    """A context in which JAX computes in `dtype`, which float64 needs."""
    context: AbstractContextManager[Any] = jax.enable_x64(dtype == "float64")
    return context


def draw(name: str, shape: tuple[int, ...], dtype: str = "float32") -> jax.Array:
    """Standard normal numbers, seeded by the arguments."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {shape}".encode()))
    return rounded(rng.standard_normal(shape), dtype)


def rounded(numbers: Array, dtype: str) -> jax.Array:
    """Rounded by NumPy and put on the device: `jnp.asarray` would compile a program a shape."""
    array: jax.Array = jax.device_put(numbers.astype(jnp.dtype(dtype)))
    return array


@dataclass(frozen=True)
class Operands:
    """Arrays of one case, each rounded to the case's dtype; `g` weighs the outputs."""

    x: jax.Array
    kernel: jax.Array
    bias: jax.Array
    g: jax.Array


def operands(case: Case, name: str = "") -> Operands:
    return Operands(
        draw(f"{name} x", case.x_shape, case.dtype),
        draw(f"{name} kernel", case.kernel_shape, case.dtype),
        draw(f"{name} bias", case.kernel_shape[3:], case.dtype),
        draw(f"{name} g", case.y_shape, case.dtype),
    )


def conv(case: Case, method: str | ops.ConvMethod) -> Callable[..., jax.Array]:
    """`ops.conv2d` of a case as a function of arrays alone."""

    def run(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
        return ops.conv2d(x, kernel, bias, **case.how, method=method)

    return run


def gradients(case: Case, method: str | ops.ConvMethod) -> Callable[..., tuple[jax.Array, ...]]:
    """`f(x, kernel, bias, g)`: the value, and the gradients of `sum(value * g)`."""

    def run(
        x: jax.Array, kernel: jax.Array, bias: jax.Array, g: jax.Array
    ) -> tuple[jax.Array, ...]:
        y, pull_back = jax.vjp(conv(case, method), x, kernel, bias)
        return (y, *pull_back(g))

    return run


def expected(case: Case, arrays: Operands) -> tuple[Array, Array, Array, Array]:
    """The oracle's value and gradients by x, kernel and bias."""
    x, kernel = oracle.float64(arrays.x), oracle.float64(arrays.kernel)
    y = oracle.conv2d(x, kernel, oracle.float64(arrays.bias), **case.how)
    return (y, *oracle.conv2d_gradients(x, kernel, oracle.float64(arrays.g), **case.how))


def reason_against(method: str, case: Case) -> str | None:
    """The reason why the method refuses the case; None if it does not."""
    window = ops.resolve_window(
        case.x_shape[1:3],
        case.kernel_shape[:2],
        stride=case.stride,
        padding=case.padding,
        dilation=case.dilation,
    )
    # A method may read only shapes and dtypes: under `jit` there are no values.
    x: Any = jax.ShapeDtypeStruct(case.x_shape, case.dtype)
    kernel: Any = jax.ShapeDtypeStruct(case.kernel_shape, case.dtype)
    return ops.METHODS[method].unsupported(x, kernel, window, case.groups)


def anywhere(method: str) -> AbstractContextManager[None]:
    """A context in which a method that needs a special device runs without it."""
    return interpreted() if method == "pallas" else nullcontext()


def able(case: Case) -> list[str]:
    """The methods that support the case on this machine."""
    return [method for method in ops.METHODS if reason_against(method, case) is None]


def every_method(case: Case) -> pytest.MarkDecorator:
    """Run a test once for each method that supports the case."""
    return pytest.mark.parametrize("method", able(case))


def every_method_and_case(*names: str, dtype: str = "float32") -> pytest.MarkDecorator:
    """Run a test on each case of `CASES`, or of `names`, with each method that supports it.

    Refused cases are not generated; `test_contract.test_what_each_method_refuses` lists them. A
    skipped test means that the machine lacks something.
    """
    pairs = [
        pytest.param(method, name, id=f"{method}-{name}")
        for method, able_names in _names_by_method(names, dtype).items()
        for name in able_names
    ]
    return pytest.mark.parametrize(("method", "name"), pairs)


def every_method_and_its_cases(*names: str, dtype: str = "float32") -> pytest.MarkDecorator:
    """As `every_method_and_case`, once a method, with all its cases: for one program of them."""
    pairs = [
        pytest.param(method, able_names, id=method)
        for method, able_names in _names_by_method(names, dtype).items()
    ]
    return pytest.mark.parametrize(("method", "names"), pairs)


def _names_by_method(names: tuple[str, ...], dtype: str) -> dict[str, tuple[str, ...]]:
    by_method: dict[str, tuple[str, ...]] = {}
    for name in names or CASES:
        for method in able(dataclasses.replace(CASES[name], dtype=dtype)):
            by_method[method] = (*by_method.get(method, ()), name)
    return by_method


def compiled(function: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """A program compiled with little optimisation, regardless of `XLA_FLAGS`."""
    options: dict[str, str | bool] = {"xla_backend_optimization_level": "0"}
    return jax.jit(function).lower(*args).compile(compiler_options=options)


def together(
    functions: Sequence[Callable[..., Any]],
    arguments: Sequence[tuple[Any, ...]],
    compiler: Callable[..., Callable[..., Any]] = compiled,
) -> list[Any]:
    """The result of each function, all of one program: most of a small program's time is fixed."""

    def run(arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [f(*args) for f, args in zip(functions, arguments, strict=True)]

    results: list[Any] = compiler(run, arguments)(arguments)
    return results


@contextmanager
def naming(case: Any) -> Iterator[None]:
    """Say in a failure which of several cases it was."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"The case is {case!r}.")
        raise


def compiled_in_full(function: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """A program compiled with full optimisation, regardless of `XLA_FLAGS`."""
    options: dict[str, str | bool] = {"xla_backend_optimization_level": "3"}
    if "xla_cpu_use_fusion_emitters" in os.environ["XLA_FLAGS"]:  # else XLA may not know it
        options["xla_cpu_use_fusion_emitters"] = True
    return jax.jit(function).lower(*args).compile(compiler_options=options)


def quickly(function: Callable[..., Any], *args: Any) -> Any:
    """Compile with little optimisation, and run."""
    return compiled(function, *args)(*args)
