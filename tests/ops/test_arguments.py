"""NumPy integers are accepted as Python ints, and errors hint at PyTorch's layouts."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Layer,
    MaxPooling2D,
    SeparableConv2D,
)
from tests.ops.conv.cases import draw
from tests.ops.conv.refusals import PADS, PAIR, refusal

# Untyped: the annotations say int and tuple, but NumPy's equivalents are accepted, too.
I64: Any = np.int64
PAIR_OF: Any = np.array
THREE: Any = (3, 3, 3)
TEXT: Any = "3"
SMALL: Any = "same"
FLAT: Any = ((1, 1), 1)
REAL: Any = 2.5
X = draw("x", (2, 7, 6, 4))
NCHW = "; x looks like (N, C, H, W), and jcnn takes NHWC: x.transpose(0, 2, 3, 1)"
OIHW = "; kernel looks like (O, I, KH, KW), and jcnn takes HWIO: kernel.transpose(2, 3, 1, 0)"


def rngs() -> nnx.Rngs:
    return nnx.Rngs(params=0, dropout=1)


LAYERS: dict[str, Callable[[Callable[[int], Any]], Layer]] = {
    "conv2d": lambda i: Conv2D(
        i(4), i(6), i(3), stride=i(2), padding=i(1), dilation=i(2), groups=i(2), rngs=rngs()
    ),
    "transposed": lambda i: Conv2DTranspose(
        *(i(4), i(6), i(3)),
        stride=i(2),
        padding=i(1),
        output_padding=i(1),
        groups=i(2),
        rngs=rngs(),
    ),
    "depthwise": lambda i: DepthwiseConv2D(
        i(4), i(3), stride=i(2), depth_multiplier=i(2), rngs=rngs()
    ),
    "separable": lambda i: SeparableConv2D(
        i(4), i(5), i(3), dilation=i(2), depth_multiplier=i(2), rngs=rngs()
    ),
    "max pooling": lambda i: MaxPooling2D(i(3), stride=i(2), padding=i(1)),
    "average pooling": lambda i: AveragePooling2D(i(2)),
    "batch normalisation": lambda i: BatchNormalization(i(4), rngs=rngs()),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_takes_integers_of_numpy(name: str) -> None:
    ours, numpys = LAYERS[name](int), LAYERS[name](I64)
    # Equal structures, so that both share a compiled program.
    assert nnx.graphdef(ours) == nnx.graphdef(numpys)
    np.testing.assert_array_equal(ours(X), numpys(X))


def test_a_dense_layer_takes_integers_of_numpy() -> None:
    layer = Dense(I64(4), I64(3), rngs=rngs())
    assert layer(X[0, 0]).shape == (6, 3)


def test_pairs_may_be_arrays() -> None:
    how: dict[str, Any] = {"stride": PAIR_OF([2, 1]), "padding": PAIR_OF([[1, 0], [0, 2]])}
    kernel = draw("kernel", (3, 3, 4, 2))
    got = ops.conv2d(X, kernel, **how, groups=I64(1), dilation=PAIR_OF([1, 2]))
    want = ops.conv2d(X, kernel, stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2))
    np.testing.assert_array_equal(got, want)
    layer = Conv2D(4, 6, PAIR_OF([3, 1]), **how, rngs=rngs())
    assert nnx.jit(lambda layer, x: layer(x))(layer, X).shape == (2, 3, 8, 6)


def test_functions_of_shapes_take_integers_of_numpy() -> None:
    x, kernel = (I64(2), I64(7), I64(6), I64(4)), (I64(3), I64(3), I64(2), I64(6))
    shape = ops.conv_output_shape(x, kernel, groups=I64(2), stride=I64(2))
    assert (shape, [type(size) for size in shape]) == ((2, 4, 3, 6), [int] * 4)
    shape = ops.conv_transpose_output_shape(x, (3, 3, I64(5), 4), stride=I64(2), groups=I64(2))
    assert (shape, [type(size) for size in shape]) == ((2, 14, 12, 10), [int] * 4)
    assert ops.im2col_in_chunks(I64(10_000)) is ops.im2col_in_chunks(10_000)
    assert ops.im2col(X, I64(3)).shape == (2, 5, 4, 36)
    assert next(iter(ops.explain_conv(x, kernel, groups=I64(2)))) == "forward"


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "groups zero": (
        lambda: Conv2D(4, 6, groups=0, rngs=rngs()),
        "groups: got 0; accepted: a positive int",
    ),
    "groups that do not divide": (
        lambda: Conv2DTranspose(4, 6, groups=3, rngs=rngs()),
        "groups: got 3, which does not divide both channels=4 and filters=6",
    ),
    "kernel size": (
        lambda: Conv2D(4, 6, THREE, rngs=rngs()),
        f"kernel_size: got (3, 3, 3); accepted: {PAIR}",
    ),
    "kernel size zero": (
        lambda: SeparableConv2D(4, 6, 0, rngs=rngs()),
        f"kernel_size: got 0; accepted: {PAIR}",
    ),
    "kernel size as text": (
        lambda: DepthwiseConv2D(4, TEXT, rngs=rngs()),
        f"kernel_size: got '3'; accepted: {PAIR}",
    ),
    "filters": (
        lambda: Conv2D(4, 0, rngs=rngs()),
        "filters: got 0; accepted: a positive int",
    ),
    "multiplier": (
        lambda: DepthwiseConv2D(4, depth_multiplier=0, rngs=rngs()),
        "depth_multiplier: got 0; accepted: a positive int",
    ),
    "stride": (lambda: Conv2D(4, 6, stride=0, rngs=rngs()), f"stride: got 0; accepted: {PAIR}"),
    "padding": (
        lambda: Conv2D(4, 6, padding=SMALL, rngs=rngs()),
        f"padding: got 'same'; {PADS}",
    ),
    "one flat pad": (
        lambda: ops.conv2d(X, jnp.ones((3, 3, 4, 2)), padding=FLAT),
        f"padding: got ((1, 1), 1); {PADS}",
    ),
    "pool size": (lambda: MaxPooling2D(0), f"pool_size: got 0; accepted: {PAIR}"),
    "inputs": (
        lambda: Dense(REAL, 3, rngs=rngs()),
        "inputs: got 2.5; accepted: a positive int",
    ),
    "rate above 1": (
        lambda: Dropout(1.5, rngs=rngs()),
        "rate: got 1.5; accepted: 0 <= rate < 1",
    ),
    "rate NaN": (
        lambda: Dropout(float("nan"), rngs=rngs()),
        "rate: got nan; accepted: 0 <= rate < 1",
    ),
    "rate as text": (
        lambda: Dropout(TEXT, rngs=rngs()),
        "rate: got '3'; accepted: 0 <= rate < 1",
    ),
    "rate of an array": (
        lambda: ops.dropout(X, PAIR_OF(1.0), key=jax.random.key(0)),
        "rate: got array(1.); accepted: 0 <= rate < 1",
    ),
    "NCHW": (
        lambda: ops.conv2d(jnp.ones((8, 3, 9, 9)), jnp.ones((5, 5, 3, 16))),
        (
            "kernel: got shape (5, 5, 3, 16) for x (8, 3, 9, 9) with groups=1; "
            f"its third axis must be C // groups = 9{NCHW}"
        ),
    ),
    "OIHW": (
        lambda: ops.conv2d(jnp.ones((8, 9, 9, 3)), jnp.ones((16, 3, 5, 5))),
        (
            "kernel: got shape (16, 3, 5, 5) for x (8, 9, 9, 3) with groups=1; "
            f"its third axis must be C // groups = 3{OIHW}"
        ),
    ),
    "both": (
        lambda: ops.conv2d(jnp.ones((8, 3, 9, 9)), jnp.ones((16, 3, 3, 3))),
        (
            "kernel: got shape (16, 3, 3, 3) for x (8, 3, 9, 9) with groups=1; "
            f"its third axis must be C // groups = 9{NCHW}{OIHW}"
        ),
    ),
    "neither": (
        lambda: ops.conv2d(jnp.ones((8, 9, 9, 3)), jnp.ones((3, 3, 1, 16))),
        (
            "kernel: got shape (3, 3, 1, 16) for x (8, 9, 9, 3) with groups=1; "
            "its third axis must be C // groups = 3"
        ),
    ),
    "NCHW, transposed": (
        lambda: ops.conv_transpose2d(jnp.ones((8, 3, 9, 9)), jnp.ones((3, 3, 16, 3))),
        f"kernel: got shape (3, 3, 16, 3) for x (8, 3, 9, 9); its last axis must be C = 9{NCHW}",
    ),
    "NCHW, depthwise": (
        lambda: ops.depthwise_conv2d(jnp.ones((8, 3, 9, 9)), jnp.ones((3, 3, 3, 1))),
        (
            "kernel: got shape (3, 3, 3, 1) for x (8, 3, 9, 9); "
            f"expected four axes (KH, KW, C, M) with C = 9{NCHW}"
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, expected = REFUSED[name]
    assert refusal(call) == expected
