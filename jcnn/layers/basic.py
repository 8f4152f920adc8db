"""Pooling, flatten, dense, dropout and activation layers."""

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.layers.types import Function, Initializer, glorot_uniform
from jcnn.ops import Padding, Size


class _Pooling(nnx.Module):
    """The settings of both pooling layers: window, stride and padding."""

    def __init__(
        self, pool_size: Size = 2, *, stride: Size | None = None, padding: Padding = "VALID"
    ) -> None:
        self.pool_size = ops.check_pair("pool_size", pool_size)
        self.stride = None if stride is None else ops.check_pair("stride", stride)
        self.padding = ops.check_padding(padding)

    def window(self, in_hw: tuple[int, int]) -> ops.Window:
        """The window that this layer slides over an input of `in_hw` cells."""
        stride = self.pool_size if self.stride is None else self.stride
        return ops.resolve_window(in_hw, self.pool_size, stride=stride, padding=self.padding)


class MaxPooling2D(_Pooling):
    """Max pooling, `(N, H, W, C)` to `(N, OH, OW, C)`.

    Args:
        pool_size: height and width of the window.
        stride: None means the window's size.
        padding: as for `jcnn.ops.max_pool2d`.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Pool `x (N, H, W, C)`."""
        return ops.max_pool2d(x, self.pool_size, stride=self.stride, padding=self.padding)


class AveragePooling2D(_Pooling):
    """Average pooling, excluding the padding, `(N, H, W, C)` to `(N, OH, OW, C)`.

    Args:
        pool_size: height and width of the window.
        stride: None means the window's size.
        padding: as for `jcnn.ops.avg_pool2d`.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Pool `x (N, H, W, C)`."""
        return ops.avg_pool2d(x, self.pool_size, stride=self.stride, padding=self.padding)


class Flatten(nnx.Module):
    """Reshape each example to one row, `(N, ...)` to `(N, D)`."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Flatten `x (N, ...)`."""
        return ops.flatten(x)


class Dense(nnx.Module):
    """Dense layer with a kernel `(D, U)` and a bias `(U,)`.

    Args:
        inputs: D of the input `(N, D)`.
        units: U of the output `(N, U)`.
        activation, use_bias, kernel_init, rngs: as for `Conv2D`.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        activation: Function | None = None,
        use_bias: bool = True,
        kernel_init: Initializer = glorot_uniform,
        rngs: nnx.Rngs,
    ) -> None:
        inputs, units = ops.check_size("inputs", inputs), ops.check_size("units", units)
        self.kernel = nnx.Param(kernel_init(rngs.params(), (inputs, units), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(units)) if use_bias else None
        self.activation = activation

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the layer to `x (N, D)`."""
        y = ops.dense(x, self.kernel[...], None if self.bias is None else self.bias[...])
        return y if self.activation is None else self.activation(y)


class DropoutRate(nnx.Variable[jax.Array]):
    """A dropout rate as an array, for a population whose members differ in it."""


class Dropout(nnx.Module):
    """Dropout: set a random share of the numbers to zero in train mode; identity in eval mode.

    Args:
        rate: share to drop, in [0, 1).
        rngs: its `dropout` stream draws the masks; `fit` sets a new key at each step.

    Raises:
        ValueError: `rate` is not a number in [0, 1).
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs) -> None:
        self.rate: float | DropoutRate = ops.check_rate(rate)
        self.deterministic = False  # the attribute that NNX's `eval()` sets
        self.rngs = rngs["dropout"].fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply dropout to `x`, any shape."""
        if self.deterministic:
            return x
        rate = self.rate[...] if isinstance(self.rate, DropoutRate) else self.rate
        return ops.dropout(x, rate, key=self.rngs())


class Activation(nnx.Module):
    """A function of one array as a layer, such as `Activation(jcnn.ops.relu)`."""

    def __init__(self, function: Function) -> None:
        self.function = function

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the function to `x`."""
        return self.function(x)
