"""`explain_conv`, and the three convolutions of a layer: forward and both gradients."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import NamedTuple

import jax

from jcnn.ops._conv_shapes import conv_window
from jcnn.ops._window import Padding, Size, check_size
from jcnn.ops.conv.canonical import conv_of
from jcnn.ops.conv.lowerings.lowering import Params, Shape, is_above_default
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.method import Precision
from jcnn.ops.conv.primitive import conv
from jcnn.ops.conv.table.file import tables
from jcnn.ops.conv.table.lookup import Choice, Conv, choose
from jcnn.system.html_table import html_table


class Computed(NamedTuple):
    """Forward or one gradient: its convolution, and a function of two arrays that computes it.

    The function takes and returns arrays in the layouts of the forward convolution, so that a
    measured time includes the copies that a lowering needs.
    """

    conv: Conv
    function: Callable[[jax.Array, jax.Array], jax.Array]
    shapes: tuple[Shape, Shape]


def directions(forward: Conv, lowering: str = "auto") -> dict[str, Computed]:
    """A convolution "forward", "by input" and "by kernel", each lowered to `lowering`."""

    def run(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return conv(x, kernel, lowering=lowering, precision=None, **asdict(forward.params))

    x, kernel = (jax.ShapeDtypeStruct(s, forward.dtype) for s in (forward.x, forward.kernel))
    y = jax.eval_shape(run, x, kernel)

    def by_input(kernel: jax.Array, g: jax.Array) -> jax.Array:
        gradient: jax.Array
        (gradient,) = jax.linear_transpose(lambda x: run(x, kernel), x)(g)
        return gradient

    def by_kernel(x: jax.Array, g: jax.Array) -> jax.Array:
        gradient: jax.Array
        (gradient,) = jax.linear_transpose(lambda kernel: run(x, kernel), kernel)(g)
        return gradient

    of = partial(conv_of, forward.platform)
    return {
        "forward": Computed(forward, run, (x.shape, kernel.shape)),
        "by input": Computed(
            of("by input", y, kernel, (x.shape[1], x.shape[2]), forward.params),
            by_input,
            (kernel.shape, y.shape),
        ),
        "by kernel": Computed(
            of("by kernel", x, y, (kernel.shape[0], kernel.shape[1]), forward.params),
            by_kernel,
            (x.shape, y.shape),
        ),
    }


def explain_conv(
    x_shape: Shape,
    kernel_shape: Shape,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
    dtype: str = "float32",
    platform: str | None = None,
    precision: Precision = None,
) -> "Explanation":
    """Which lowering method "auto" takes for a convolution and for each of its gradients, and why.

    Args:
        x_shape: `(N, H, W, C)`.
        kernel_shape: `(KH, KW, C // groups, O)`.
        stride, padding, dilation, groups: as for `conv2d`.
        dtype: of input and kernel, such as "bfloat16".
        platform: "cpu", "gpu" or "tpu"; None means JAX's default backend.
        precision: as for `conv2d`; above the default, only plain lowerings are considered.

    Returns:
        The choices "forward", "by input" and "by kernel". Each prints as one line, with the
        measured milliseconds and what the lowering costs in accuracy; a notebook shows a table.

    Raises:
        ValueError: a shape or size does not fit, or the user's table is damaged.
    """
    groups = check_size("groups", groups)
    window = conv_window(x_shape, kernel_shape, stride, padding, dilation, groups)
    params = Params(window.stride, window.padding, (1, 1), window.dilation, groups)
    platform = jax.default_backend() if platform is None else platform
    forward = Conv(platform, dtype, tuple(x_shape), tuple(kernel_shape), params)
    plain = is_above_default(jax.default_matmul_precision.value if precision is None else precision)
    return Explanation(
        {name: choose(one.conv, tables(), plain=plain) for name, one in directions(forward).items()}
    )


class Explanation(dict[str, Choice]):
    """Choices by direction; as text, one line each; in a notebook, a table."""

    def __str__(self) -> str:
        return "\n".join(f"{name + ':':<11}{choice}" for name, choice in self.items())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """A table, which a notebook shows; the tables of measurements are named without a path."""
        rows = []
        for name, choice in self.items():
            times, measured = "-", "-"
            if choice.line is not None and choice.table is not None:
                milliseconds = choice.line.milliseconds.items()
                times = ", ".join(f"{lowering} {ms:.3g}" for lowering, ms in milliseconds)
                measured = f"{choice.table.file.name}, {choice.table.measured_on}"
            remark = LOWERINGS[choice.lowering].remark or "-"
            rows.append([name, choice.lowering, choice.reason, times, measured, remark])
        header = ["convolution", "lowering", "why", "milliseconds", "table", "cost"]
        return html_table(header, rows)
