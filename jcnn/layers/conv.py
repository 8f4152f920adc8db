"""Convolution layers: plain, transposed, depthwise and separable."""

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.layers.types import Function, Initializer, glorot_uniform
from jcnn.ops import ConvMethod, Padding, Size


class _Convolution(nnx.Module):
    """The settings, the bias and the activation that all convolution layers have."""

    def __init__(
        self,
        kernel_size: tuple[int, int],
        filters: int,
        *,
        stride: Size,
        padding: Padding,
        dilation: Size,
        activation: Function | None,
        use_bias: bool,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = ops.check_pair("stride", stride)
        self.padding = ops.check_padding(padding)
        self.dilation = ops.check_pair("dilation", dilation)
        self.activation = activation
        self.bias = nnx.Param(jnp.zeros(filters)) if use_bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolve `x (N, H, W, C)`, add the bias and apply the activation."""
        y = self._convolve(x, None if self.bias is None else self.bias[...])
        return y if self.activation is None else self.activation(y)

    def _convolve(self, x: jax.Array, bias: jax.Array | None) -> jax.Array:
        raise NotImplementedError

    def window(self, in_hw: tuple[int, int]) -> ops.Window:
        """The window that this layer slides over an input of `in_hw` cells."""
        return ops.resolve_window(
            in_hw,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )


class Conv2D(_Convolution):
    """Convolution with a kernel `(KH, KW, C // groups, O)` and a bias `(O,)`.

    Args:
        channels: C of the input `(N, H, W, C)`.
        filters: O of the output `(N, OH, OW, O)`.
        kernel_size: KH and KW.
        stride, padding, dilation, groups, method: as for `jcnn.ops.conv2d`.
        activation: function applied to the result, such as `jcnn.ops.relu`.
        use_bias: whether to add a bias; it starts at zero.
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
        method: str | ConvMethod = "auto",
        rngs: nnx.Rngs,
    ) -> None:
        shape = _kernel_shape(channels, filters, kernel_size, groups)
        super().__init__(
            shape[:2],
            shape[3],
            stride=stride,
            padding=padding,
            dilation=dilation,
            activation=activation,
            use_bias=use_bias,
        )
        self.kernel = nnx.Param(kernel_init(rngs.params(), shape, jnp.float32))
        self.groups = ops.check_size("groups", groups)
        self.method = method

    def _convolve(self, x: jax.Array, bias: jax.Array | None) -> jax.Array:
        return ops.conv2d(
            x,
            self.kernel[...],
            bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            method=self.method,
        )


class Conv2DTranspose(_Convolution):
    """Transposed convolution with a kernel `(KH, KW, O // groups, C)` and a bias `(O,)`.

    Args:
        channels: C of the input `(N, H, W, C)`.
        filters: O of the output `(N, OH, OW, O)`.
        kernel_size: KH and KW.
        stride, padding, output_padding, dilation, groups: as for `jcnn.ops.conv_transpose2d`.
        activation, use_bias, kernel_init, rngs: as for `Conv2D`.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: Size = 3,
        *,
        stride: Size = 1,
        padding: Padding = "SAME",
        output_padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        activation: Function | None = None,
        use_bias: bool = True,
        kernel_init: Initializer = glorot_uniform,
        rngs: nnx.Rngs,
    ) -> None:
        kh, kw, per_group, _ = _kernel_shape(channels, filters, kernel_size, groups)
        shape = (kh, kw, filters // groups, per_group * groups)
        super().__init__(
            shape[:2],
            filters,
            stride=stride,
            padding=padding,
            dilation=dilation,
            activation=activation,
            use_bias=use_bias,
        )
        self.kernel = nnx.Param(kernel_init(rngs.params(), shape, jnp.float32))
        self.output_padding = output_padding
        self.groups = ops.check_size("groups", groups)

    def _convolve(self, x: jax.Array, bias: jax.Array | None) -> jax.Array:
        return ops.conv_transpose2d(
            x,
            self.kernel[...],
            bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def window(self, in_hw: tuple[int, int]) -> ops.Window:
        """The window that this layer slides over its output, for an input of `in_hw` cells."""
        _, rows, columns, _ = ops.conv_transpose_output_shape(
            (1, *in_hw, self.kernel.shape[3]),
            self.kernel.shape,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return super().window((rows, columns))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        """Products of an input and a weight, from the shapes of input and output."""
        return ops.multiply_adds(x_shape, self.kernel.shape)


class DepthwiseConv2D(_Convolution):
    """Depthwise convolution with a kernel `(KH, KW, C, M)` and a bias `(C * M,)`.

    Args:
        channels: C of the input `(N, H, W, C)`.
        kernel_size: KH and KW.
        stride, padding, dilation, method: as for `jcnn.ops.depthwise_conv2d`.
        depth_multiplier: M, output channels per input channel.
        activation, use_bias, rngs: as for `Conv2D`.
        depthwise_init: draws the kernel, as `kernel_init` of `Conv2D`.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Size = 3,
        *,
        stride: Size = 1,
        padding: Padding = "SAME",
        dilation: Size = 1,
        depth_multiplier: int = 1,
        activation: Function | None = None,
        use_bias: bool = True,
        depthwise_init: Initializer = glorot_uniform,
        method: str | ConvMethod = "auto",
        rngs: nnx.Rngs,
    ) -> None:
        depth_multiplier = ops.check_size("depth_multiplier", depth_multiplier)
        shape = _kernel_shape(channels, depth_multiplier, kernel_size)
        super().__init__(
            shape[:2],
            channels * depth_multiplier,
            stride=stride,
            padding=padding,
            dilation=dilation,
            activation=activation,
            use_bias=use_bias,
        )
        self.kernel = nnx.Param(depthwise_init(rngs.params(), shape, jnp.float32))
        self.method = method

    def _convolve(self, x: jax.Array, bias: jax.Array | None) -> jax.Array:
        return ops.depthwise_conv2d(
            x,
            self.kernel[...],
            bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            method=self.method,
        )

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        """Products of an input and a weight, from the shapes of input and output."""
        return ops.multiply_adds(y_shape, (*self.kernel_size, 1, y_shape[-1]))


class SeparableConv2D(_Convolution):
    """Depthwise `(KH, KW, C, M)`, then pointwise `(1, 1, C * M, O)` convolution, and a bias `(O,)`.

    Args:
        channels: C of the input `(N, H, W, C)`.
        filters: O of the output `(N, OH, OW, O)`.
        kernel_size: KH and KW.
        stride, padding, dilation, method: as for `jcnn.ops.separable_conv2d`.
        depth_multiplier: M, depthwise outputs per input channel.
        activation, use_bias, rngs: as for `Conv2D`.
        depthwise_init, pointwise_init: draw the kernels, as `kernel_init` of `Conv2D`.
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
        depth_multiplier: int = 1,
        activation: Function | None = None,
        use_bias: bool = True,
        depthwise_init: Initializer = glorot_uniform,
        pointwise_init: Initializer = glorot_uniform,
        method: str | ConvMethod = "auto",
        rngs: nnx.Rngs,
    ) -> None:
        depth_multiplier = ops.check_size("depth_multiplier", depth_multiplier)
        depthwise = _kernel_shape(channels, depth_multiplier, kernel_size)
        pointwise = _kernel_shape(channels * depth_multiplier, filters, 1)
        super().__init__(
            depthwise[:2],
            filters,
            stride=stride,
            padding=padding,
            dilation=dilation,
            activation=activation,
            use_bias=use_bias,
        )
        self.depthwise_kernel = nnx.Param(depthwise_init(rngs.params(), depthwise, jnp.float32))
        self.pointwise_kernel = nnx.Param(pointwise_init(rngs.params(), pointwise, jnp.float32))
        self.method = method

    def _convolve(self, x: jax.Array, bias: jax.Array | None) -> jax.Array:
        return ops.separable_conv2d(
            x,
            self.depthwise_kernel[...],
            self.pointwise_kernel[...],
            bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            method=self.method,
        )

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        """Products of an input and a weight, from the shapes of input and output."""
        maps = self.pointwise_kernel.shape[2]
        depthwise = ops.multiply_adds((*y_shape[:-1], maps), (*self.kernel_size, 1, maps))
        return depthwise + ops.multiply_adds(y_shape, self.pointwise_kernel.shape)


def _kernel_shape(
    channels: int, filters: int, kernel_size: Size, groups: int = 1
) -> tuple[int, int, int, int]:
    """Check a layer's arguments and return its kernel shape `(KH, KW, C // groups, O)`."""
    channels, filters = ops.check_size("channels", channels), ops.check_size("filters", filters)
    groups = ops.check_size("groups", groups)
    if channels % groups or filters % groups:
        raise ValueError(
            f"groups: got {groups}, which does not divide both channels={channels} and "
            f"filters={filters}"
        )
    return (*ops.check_pair("kernel_size", kernel_size), channels // groups, filters)
