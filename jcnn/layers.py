"""Layers: the functions of `jcnn.ops` with their parameters, as Flax NNX modules.

Names and defaults are those of Keras; sizes are explicit, as in NNX. A layer that gets an input
it was not made for says which layer it is and what it got.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.ops import Padding, Size

Function = Callable[[jax.Array], jax.Array]
Initializer = Callable[..., jax.Array]
Layer = Callable[[jax.Array], jax.Array]

# Fan in and fan out count the kernel's height times width, as in Keras.
glorot_uniform: Initializer = jax.nn.initializers.glorot_uniform()
he_normal: Initializer = jax.nn.initializers.he_normal()
he_uniform: Initializer = jax.nn.initializers.he_uniform()


class Conv2D(nnx.Module):
    """Convolution with a kernel `(KH, KW, C // groups, O)` and a bias `(O,)`.

    Args:
        channels: C of the input `(N, H, W, C)`.
        filters: O of the output `(N, OH, OW, O)`.
        kernel_size: KH and KW.
        stride, padding, dilation, groups, method: as for `jcnn.ops.conv2d`.
        activation: applied to the result, such as `jcnn.ops.relu`.
        use_bias: whether to add one; it starts at zero.
        kernel_init: `glorot_uniform` (Keras's default), `he_normal`, `he_uniform`, or any
            `init(key, shape, dtype)`.
        rngs: its `params` stream draws the kernel.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: Size = 3,
        *,
        stride: Size = 1,
        padding: Padding = "SAME",
        dilation: Size = 1,
        groups: int = 1,
        activation: Function | None = None,
        use_bias: bool = True,
        kernel_init: Initializer = glorot_uniform,
        method: str = "auto",
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
        shape = (rows, columns, channels // groups, filters)
        self.kernel = nnx.Param(kernel_init(rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(filters)) if use_bias else None
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        self.activation = activation
        self.method = method

    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolve `x (N, H, W, C)`."""
        y = ops.conv2d(
            x,
            self.kernel[...],
            None if self.bias is None else self.bias[...],
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            method=self.method,
        )
        return y if self.activation is None else self.activation(y)

    def window(self, in_hw: tuple[int, int]) -> ops.Window:
        """The window that this layer slides over an input of `in_hw` cells."""
        return ops.resolve_window(
            in_hw,
            (self.kernel.shape[0], self.kernel.shape[1]),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )


class _Pooling(nnx.Module):
    """What the two poolings share: a window, its stride and its padding."""

    def __init__(
        self, pool_size: Size = 2, *, stride: Size | None = None, padding: Padding = "VALID"
    ) -> None:
        self.pool_size = pool_size
        self.stride = stride
        self.padding = padding

    def window(self, in_hw: tuple[int, int]) -> ops.Window:
        """The window that this layer slides over an input of `in_hw` cells."""
        stride = self.pool_size if self.stride is None else self.stride
        return ops.resolve_window(in_hw, self.pool_size, stride=stride, padding=self.padding)


class MaxPooling2D(_Pooling):
    """Largest value of each window, `(N, H, W, C)` to `(N, OH, OW, C)`.

    Args:
        pool_size: height and width of the window.
        stride: None means the window.
        padding: as for `jcnn.ops.max_pool2d`.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Pool `x (N, H, W, C)`."""
        return ops.max_pool2d(x, self.pool_size, stride=self.stride, padding=self.padding)


class AveragePooling2D(_Pooling):
    """Mean of each window, padding left out of it, `(N, H, W, C)` to `(N, OH, OW, C)`.

    Args:
        pool_size: height and width of the window.
        stride: None means the window.
        padding: as for `jcnn.ops.avg_pool2d`.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Pool `x (N, H, W, C)`."""
        return ops.avg_pool2d(x, self.pool_size, stride=self.stride, padding=self.padding)


class Flatten(nnx.Module):
    """One row of numbers for each example, `(N, ...)` to `(N, D)`."""

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
        self.kernel = nnx.Param(kernel_init(rngs.params(), (inputs, units), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(units)) if use_bias else None
        self.activation = activation

    def __call__(self, x: jax.Array) -> jax.Array:
        """Multiply and add, `x (N, D)`."""
        y = ops.dense(x, self.kernel[...], None if self.bias is None else self.bias[...])
        return y if self.activation is None else self.activation(y)


class Rate(nnx.Variable[jax.Array]):
    """A dropout rate as an array, for models that are trained together and differ in it."""


class Dropout(nnx.Module):
    """Drop a random share of the numbers while training; the identity when evaluating.

    Args:
        rate: share to drop, in [0, 1).
        rngs: its `dropout` stream draws the masks; `fit` gives it a new key at each step.
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs) -> None:
        self.rate: float | Rate = rate
        self.deterministic = False  # the name by which NNX's `eval()` turns it off
        self.rngs = rngs["dropout"].fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        """Drop numbers of `x`, any shape."""
        if self.deterministic:
            return x
        rate = self.rate[...] if isinstance(self.rate, Rate) else self.rate
        return ops.dropout(x, rate, key=self.rngs())


class BatchNormalization(nnx.BatchNorm):
    """Batch normalisation over N, H and W with Keras's momentum 0.99 and epsilon 1e-3.

    Args:
        channels: C, the last axis of the input.
        rngs: as for `nnx.BatchNorm`.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(channels, momentum=0.99, epsilon=1e-3, rngs=rngs)

    def __call__(
        self, x: jax.Array, use_running_average: bool | None = None, *, mask: Any = None
    ) -> jax.Array:
        """Normalise `x (..., C)`; the dtype stays, also of 16-bit numbers."""
        y: jax.Array = super().__call__(x, use_running_average, mask=mask)
        return y.astype(x.dtype)


class Activation(nnx.Module):
    """A function of one array as a layer of its own, such as `Activation(jcnn.ops.relu)`."""

    def __init__(self, function: Function) -> None:
        self.function = function

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the function to `x`."""
        return self.function(x)


class Sequential(nnx.Module):
    """Layers applied in turn, each an attribute under the name that Keras would give it.

    `conv2d`, `conv2d_1`, `max_pooling2d`, `flatten`, `dense`: so `model.conv2d.kernel` is the
    first kernel, and the same name stands in summaries, errors and checkpoints.

    Args:
        layers: NNX modules, or functions of one array.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        if not layers:
            raise ValueError("layers: got none; a model needs at least one")
        self.names: tuple[str, ...] = ()
        for layer in layers:
            module = layer if isinstance(layer, nnx.Module) else Activation(layer)
            name = _unique(_snake_case(type(module).__name__), self.names)
            setattr(self, name, module)
            self.names += (name,)

    if TYPE_CHECKING:  # each layer is an attribute, under a name that only the list knows

        def __getattr__(self, name: str) -> Any: ...

    def __iter__(self) -> Iterator[Any]:
        """The layers, first to last."""
        return (getattr(self, name) for name in self.names)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply every layer to `x`."""
        for name in self.names:
            try:
                x = getattr(self, name)(x)
            except LayerError:
                raise
            except (TypeError, ValueError) as error:  # Flax and JAX raise either
                raise LayerError(f"layer {name!r}: {error}") from error
        return x


class LayerError(ValueError):
    """A layer got an input that it was not made for; the message names the layer."""


def as_model(model: nnx.Module | Sequence[Layer]) -> nnx.Module:
    """A list of layers as a `Sequential`; a module as it is."""
    return model if isinstance(model, nnx.Module) else Sequential(model)


def evaluating(model: nnx.Module) -> nnx.Module:
    """A copy, sharing the arrays, in which dropout is off and batch statistics are the stored."""
    return _with_mode(model, deterministic=True)


def training(model: nnx.Module) -> nnx.Module:
    """A copy, sharing the arrays, in which dropout is on and batches have their own statistics."""
    return _with_mode(model, deterministic=False)


def _with_mode(model: nnx.Module, *, deterministic: bool) -> nnx.Module:
    return nnx.with_attributes(
        model,
        deterministic=deterministic,
        use_running_average=deterministic,
        raise_if_not_found=False,
    )


class Parts(NamedTuple):
    """A model taken apart by `take_apart`; `nnx.merge` puts it together again."""

    graphdef: Any
    params: Any
    streams: Any
    rest: Any


def take_apart(model: nnx.Module) -> Parts:
    """Its structure, parameters, random streams, and other state (batch statistics)."""
    parts: Any = nnx.split(model, nnx.Param, nnx.RngState, ...)
    return Parts(*parts)


def output_shape(layers: Sequence[Layer], input_shape: Sequence[int]) -> tuple[int, ...]:
    """Shape that `layers` give one example of `input_shape`; nothing is computed.

    Args:
        layers: applied in turn, without training's dropout.
        input_shape: `(H, W, C)`, without the batch axis.

    Returns:
        The shape of the last layer's output, without the batch axis.
    """
    model = evaluating(Sequential(layers))
    example = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    return tuple(jax.eval_shape(model, example).shape[1:])


def _snake_case(name: str) -> str:
    return re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name).lower()


def _unique(name: str, taken: tuple[str, ...]) -> str:
    number = sum(re.fullmatch(rf"{name}(_\d+)?", other) is not None for other in taken)
    return f"{name}_{number}" if number else name
