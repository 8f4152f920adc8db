"""Layers that change an image's size without weights: global pooling, padding, upsampling."""

import jax
from flax import nnx

from jcnn import ops
from jcnn.ops import Interpolation, Pads, Size


class _GlobalPooling(nnx.Module):
    """The setting of both global poolings."""

    def __init__(self, *, keepdims: bool = False) -> None:
        self.keepdims = keepdims

    def window(self, in_hw: tuple[int, int]) -> ops.Window:
        """The one window, which holds the whole input of `in_hw` cells."""
        return ops.resolve_window(in_hw, in_hw)


class GlobalAveragePooling2D(_GlobalPooling):
    """Mean of all pixels, `(N, H, W, C)` to `(N, C)`.

    Args:
        keepdims: whether the output is `(N, 1, 1, C)`.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Pool `x (N, H, W, C)`."""
        return ops.global_average_pool2d(x, keepdims=self.keepdims)


class GlobalMaxPooling2D(_GlobalPooling):
    """Maximum of all pixels, `(N, H, W, C)` to `(N, C)`.

    Args:
        keepdims: whether the output is `(N, 1, 1, C)`.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Pool `x (N, H, W, C)`."""
        return ops.global_max_pool2d(x, keepdims=self.keepdims)


class ZeroPadding2D(nnx.Module):
    """Rows and columns of zeros around each image.

    Args:
        padding: cells on every side, `(rows, columns)`, or `((top, bottom), (left, right))`.
    """

    def __init__(self, padding: Size | Pads = 1) -> None:
        self.padding = ops.check_sides("padding", padding)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Pad `x (N, H, W, C)`."""
        return ops.zero_pad2d(x, self.padding)


class Cropping2D(nnx.Module):
    """Cut rows and columns off each image.

    Args:
        cropping: cells on every side, `(rows, columns)`, or `((top, bottom), (left, right))`.
    """

    def __init__(self, cropping: Size | Pads = 0) -> None:
        self.cropping = ops.check_sides("cropping", cropping)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Crop `x (N, H, W, C)`."""
        return ops.crop2d(x, self.cropping)


class UpSampling2D(nnx.Module):
    """Enlarge each image by whole factors.

    Args:
        size: factors of the rows and of the columns.
        interpolation: "nearest" or "bilinear", as for `jcnn.ops.upsample2d`.
    """

    def __init__(self, size: Size = 2, *, interpolation: Interpolation = "nearest") -> None:
        self.size = ops.check_pair("size", size)
        self.interpolation = ops.check_interpolation(interpolation)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Enlarge `x (N, H, W, C)`."""
        return ops.upsample2d(x, self.size, interpolation=self.interpolation)
