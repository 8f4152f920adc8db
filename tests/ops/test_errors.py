"""Every error message of convolution, word for word: the argument, its value, what is accepted."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jcnn import ops
from tests.ops.conv.refusals import FLOATS, PADS, PAIR, refusal

X = jnp.ones((2, 5, 6, 4))
K = jnp.ones((3, 3, 4, 8))
T = jnp.ones((3, 3, 8, 4))
_THREE: Any = (5, 6, 4)


def conv(x: Any = X, kernel: Any = K, bias: Any = None, **how: Any) -> Callable[[], Any]:
    return lambda: ops.conv2d(x, kernel, bias, **how)


def transposed(x: Any = X, kernel: Any = T, bias: Any = None, **how: Any) -> Callable[[], Any]:
    return lambda: ops.conv_transpose2d(x, kernel, bias, **how)


def shape(*shapes: Any, **how: Any) -> Callable[[], Any]:
    return lambda: ops.conv_output_shape(*shapes, **how)


CONVOLUTION: dict[str, tuple[Callable[[], Any], str]] = {
    "x rank": (
        conv(X[0]),
        "x: got shape (5, 6, 4); expected four axes (N, H, W, C)",
    ),
    "kernel rank": (
        conv(kernel=K[0]),
        "kernel: got shape (3, 4, 8); expected four axes (KH, KW, C // groups, O)",
    ),
    "channels": (
        conv(kernel=K[:, :, :3]),
        (
            "kernel: got shape (3, 3, 3, 8) for x (2, 5, 6, 4) with groups=1; "
            "its third axis must be C // groups = 4"
        ),
    ),
    "channels of a group": (
        conv(groups=2),
        (
            "kernel: got shape (3, 3, 4, 8) for x (2, 5, 6, 4) with groups=2; "
            "its third axis must be C // groups = 2"
        ),
    ),
    "groups and channels": (
        conv(kernel=jnp.ones((3, 3, 1, 9)), groups=3),
        (
            "groups: got 3, which does not divide both the 4 channels of x (2, 5, 6, 4) and the "
            "9 filters of kernel (3, 3, 1, 9)"
        ),
    ),
    "groups and filters": (
        conv(kernel=jnp.ones((3, 3, 1, 6)), groups=4),
        (
            "groups: got 4, which does not divide both the 4 channels of x (2, 5, 6, 4) and the "
            "6 filters of kernel (3, 3, 1, 6)"
        ),
    ),
    "groups zero": (conv(groups=0), "groups: got 0; accepted: a positive int"),
    "groups negative": (conv(groups=-2), "groups: got -2; accepted: a positive int"),
    "groups not whole": (conv(groups=2.0), "groups: got 2.0; accepted: a positive int"),
    "stride zero": (conv(stride=0), f"stride: got 0; accepted: {PAIR}"),
    "stride negative": (conv(stride=(1, -2)), f"stride: got -2; accepted: {PAIR}"),
    "stride not whole": (conv(stride=1.5), f"stride: got 1.5; accepted: {PAIR}"),
    "stride of three": (conv(stride=(1, 2, 3)), f"stride: got (1, 2, 3); accepted: {PAIR}"),
    "dilation zero": (conv(dilation=(0, 1)), f"dilation: got 0; accepted: {PAIR}"),
    "dilation as text": (conv(dilation="2"), f"dilation: got '2'; accepted: {PAIR}"),
    "kernel zero": (conv(kernel=jnp.ones((3, 0, 4, 8))), f"kernel: got 0; accepted: {PAIR}"),
    "image zero": (conv(jnp.ones((2, 0, 6, 4))), f"in_hw: got 0; accepted: {PAIR}"),
    "padding negative": (conv(padding=-1), f"padding: got -1; {PADS}"),
    "one pad negative": (
        conv(padding=((0, 1), (2, -1))),
        f"padding: got ((0, 1), (2, -1)); {PADS}",
    ),
    "padding unknown": (conv(padding="FULL"), f"padding: got 'FULL'; {PADS}"),
    "padding in small letters": (conv(padding="same"), f"padding: got 'same'; {PADS}"),
    "padding not whole": (conv(padding=1.5), f"padding: got 1.5; {PADS}"),
    "padding a flat pair": (conv(padding=(1, 2)), f"padding: got (1, 2); {PADS}"),
    "padding of three": (
        conv(padding=((1, 1), (1, 1), (1, 1))),
        f"padding: got ((1, 1), (1, 1), (1, 1)); {PADS}",
    ),
    "padding of parts": (
        conv(padding=((0.5, 1), (1, 1))),
        f"padding: got ((0.5, 1), (1, 1)); {PADS}",
    ),
    "padding None": (conv(padding=None), f"padding: got None; {PADS}"),
    "window too large": (
        conv(padding="VALID", dilation=(3, 1)),
        (
            "kernel: a window of 7x3 (kernel 3x3, dilation 3x1) does not fit an input of 5x6 with "
            "padding ((0, 0), (0, 0))"
        ),
    ),
    "window too large with padding": (
        conv(padding=((0, 1), (0, 0)), dilation=3),
        (
            "kernel: a window of 7x7 (kernel 3x3, dilation 3x3) does not fit an input of 5x6 with "
            "padding ((0, 1), (0, 0))"
        ),
    ),
    "integers": (conv(X.astype("int32"), K.astype("int32")), f"x: got dtype int32; {FLOATS}"),
    "complex": (conv(X.astype("complex64")), f"x: got dtype complex64; {FLOATS}"),
    "mixed kernel": (
        conv(kernel=K.astype("bfloat16")),
        "kernel: got dtype bfloat16 for x of dtype float32",
    ),
    "mixed bias": (
        conv(bias=jnp.ones(8, "float16")),
        "bias: got dtype float16 for x of dtype float32",
    ),
    "bias length": (
        conv(bias=jnp.ones(4)),
        "bias: got shape (4,) for kernel (3, 3, 4, 8); expected (8,)",
    ),
    "bias of one": (
        conv(bias=jnp.ones(1)),
        "bias: got shape (1,) for kernel (3, 3, 4, 8); expected (8,)",
    ),
    "bias rank": (
        conv(bias=jnp.ones((1, 8))),
        "bias: got shape (1, 8) for kernel (3, 3, 4, 8); expected (8,)",
    ),
    "method": (
        conv(method="karatsuba"),
        (
            f"method: got 'karatsuba'; accepted: {', '.join(map(repr, ops.METHODS))}, "
            "or a ConvMethod"
        ),
    ),
    "shape: x rank": (
        shape((5, 6, 4), (3, 3, 4, 8)),
        "x: got shape (5, 6, 4); expected four axes (N, H, W, C)",
    ),
    "shape: groups": (
        shape((2, 5, 6, 4), (3, 3, 4, 8), groups=0),
        "groups: got 0; accepted: a positive int",
    ),
    "window: kernel": (
        lambda: ops.resolve_window((5, 6), 0),
        f"kernel: got 0; accepted: {PAIR}",
    ),
    "window: input": (
        lambda: ops.resolve_window((5, 6, 7), 1),
        f"in_hw: got (5, 6, 7); accepted: {PAIR}",
    ),
    "transposed: x rank": (
        transposed(X[0]),
        "x: got shape (5, 6, 4); expected four axes (N, H, W, C)",
    ),
    "transposed: kernel rank": (
        transposed(kernel=T[0]),
        "kernel: got shape (3, 8, 4); expected four axes (KH, KW, O // groups, C)",
    ),
    "transposed: channels": (
        transposed(kernel=K),
        "kernel: got shape (3, 3, 4, 8) for x (2, 5, 6, 4); its last axis must be C = 4",
    ),
    "transposed: groups": (
        transposed(groups=3),
        "groups: got 3, which does not divide the 4 channels of x",
    ),
    "transposed: bias": (
        transposed(bias=jnp.ones(8), groups=2),
        "bias: got shape (8,) for kernel (3, 3, 8, 4) with groups=2; expected (16,)",
    ),
    "transposed: stride": (transposed(stride=0), f"stride: got 0; accepted: {PAIR}"),
    "transposed: padding": (transposed(padding="FULL"), f"padding: got 'FULL'; {PADS}"),
    "transposed: nothing left": (
        transposed(padding=((4, 3), (0, 0))),
        (
            "padding: got ((4, 3), (0, 0)), which leaves nothing of the 7x8 cells that the "
            "windows cover"
        ),
    ),
    "transposed: output padding": (
        transposed(padding="VALID", stride=2, output_padding=(0, 2)),
        (
            "output_padding: got (0, 2); accepted: an int or a pair (rows, columns), >= 0 and "
            "below the stride (2, 2)"
        ),
    ),
    "transposed: output padding not whole": (
        transposed(padding=1, stride=3, output_padding=0.5),
        (
            "output_padding: got 0.5; accepted: an int or a pair (rows, columns), >= 0 and "
            "below the stride (3, 3)"
        ),
    ),
    "transposed: output padding of SAME": (
        transposed(stride=2, output_padding=1),
        'output_padding: got 1; accepted: 0 with padding "SAME", which gives 2x2 times the cells',
    ),
    "transposed: integers": (
        transposed(X.astype("int32"), T.astype("int32")),
        f"x: got dtype int32; {FLOATS}",
    ),
    "transposed: mixed": (
        transposed(kernel=T.astype("float16")),
        "kernel: got dtype float16 for x of dtype float32",
    ),
    "depthwise: x rank": (
        lambda: ops.depthwise_conv2d(X[0], jnp.ones((3, 3, 4, 2))),
        "x: got shape (5, 6, 4); expected 4 axes (N, H, W, C)",
    ),
    "depthwise: channels": (
        lambda: ops.depthwise_conv2d(X, jnp.ones((3, 3, 1, 4))),
        (
            "kernel: got shape (3, 3, 1, 4) for x (2, 5, 6, 4); "
            "expected four axes (KH, KW, C, M) with C = 4"
        ),
    ),
    "separable: depthwise": (
        lambda: ops.separable_conv2d(X, jnp.ones((3, 3, 4)), jnp.ones((1, 1, 8, 5))),
        (
            "depthwise_kernel: got shape (3, 3, 4) for x (2, 5, 6, 4); "
            "expected four axes (KH, KW, C, M) with C = 4"
        ),
    ),
    "separable: pointwise": (
        lambda: ops.separable_conv2d(X, jnp.ones((3, 3, 4, 2)), jnp.ones((1, 1, 4, 5))),
        (
            "pointwise_kernel: got shape (1, 1, 4, 5) for x (2, 5, 6, 4) and depthwise_kernel "
            "(3, 3, 4, 2); expected (1, 1, C * M = 8, O)"
        ),
    ),
    "im2col rank": (
        lambda: ops.im2col(X[0], 3),
        "x: got shape (5, 6, 4); expected 4 axes (N, H, W, C)",
    ),
    "im2col integers": (
        lambda: ops.im2col(X.astype("int8"), 3),
        f"x: got dtype int8; {FLOATS}",
    ),
    "im2col window": (
        lambda: ops.im2col(X, 7),
        (
            "kernel: a window of 7x7 (kernel 7x7, dilation 1x1) does not fit an input of 5x6 with "
            "padding ((0, 0), (0, 0))"
        ),
    ),
    "col2im x_shape": (
        lambda: ops.col2im(jnp.ones((2, 3, 4, 36)), _THREE, 3),
        "x_shape: got (5, 6, 4); expected four axes (N, H, W, C)",
    ),
    "col2im shape": (
        lambda: ops.col2im(jnp.ones((2, 3, 4, 35)), (2, 5, 6, 4), 3),
        "cols: got shape (2, 3, 4, 35); expected (2, 3, 4, 36) for x (2, 5, 6, 4)",
    ),
    "col2im integers": (
        lambda: ops.col2im(jnp.ones((2, 3, 4, 36), "int32"), (2, 5, 6, 4), 3),
        f"cols: got dtype int32; {FLOATS}",
    ),
    "multiply_adds": (
        lambda: ops.multiply_adds((5, 6, 7), (3, 3, 4, 8)),
        (
            "output_shape: got (5, 6, 7) for kernel_shape (3, 3, 4, 8); "
            "their last axes must be equal"
        ),
    ),
}


@pytest.mark.parametrize("name", CONVOLUTION)
def test_convolution(name: str) -> None:
    call, expected = CONVOLUTION[name]
    assert refusal(call) == expected


def test_under_jit_the_message_is_the_same() -> None:
    call, expected = CONVOLUTION["channels"]
    assert refusal(jax.jit(lambda: call())) == expected
