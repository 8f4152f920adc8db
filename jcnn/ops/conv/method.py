"""The interface of a convolution method, which every file in `methods/` implements."""

from collections.abc import Callable
from dataclasses import dataclass

import jax

from jcnn.ops._window import Window

Precision = jax.lax.PrecisionLike


def supports_all(x: jax.Array, kernel: jax.Array, window: Window, groups: int) -> str | None:
    """Return None: for methods that support every convolution."""
    return None


@dataclass(frozen=True)
class ConvMethod:
    """One convolution algorithm.

    Attributes:
        fn: `fn(x (N, H, W, C), kernel (KH, KW, C // groups, O), window, groups, precision)`
            to `(N, OH, OW, O)`; `conv2d` has checked every argument.
        unsupported: `unsupported(x, kernel, window, groups)` returns the reason why `fn` cannot
            do this case, or None if it can.
    """

    fn: Callable[[jax.Array, jax.Array, Window, int, Precision], jax.Array]
    unsupported: Callable[[jax.Array, jax.Array, Window, int], str | None] = supports_all
