"""Augmentation: random changes of every training image, on the device, inside the epoch."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from jcnn.data._warp import Pose, warp
from jcnn.data.transforms import Transform
from jcnn.mesh import by_examples

_GEOMETRIC = {"flip", "flip_vertical", "zoom", "rotate", "shift"}


def augment(images: jax.Array, key: jax.Array, transforms: tuple[Transform, ...]) -> jax.Array:
    """Change each image at random, by its own amounts.

    The order is fixed, whatever the order of `transforms`: flips, zoom, rotation and shift,
    composed into one map with one bilinear interpolation; contrast, about the mean of each channel
    of the given image; brightness; cutout, which sets a square to that mean plus the brightness;
    clipping to 0..1. Every amount is uniform in its range. Shifts are whole pixels, so shifts and
    flips alone never blur. Outside its edges, an image continues as its reflection, which is
    Keras's default too: this adds no streaks and no new colours.

    Args:
        images: `(B, H, W, C)` float32 or bfloat16 in 0..1.
        key: of the step. An image's amounts depend on the key and its index in the batch alone:
            not on the batch size, nor on the other transforms.
        transforms: from `parse`; `mixup` is applied by `mix`.

    Returns:
        `(B, H, W, C)` in 0..1, of the dtype of `images`.

    Reference: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout", 2017: the square's centre may be any pixel, so part of it may lie outside. Their
    images have mean 0, and 0 fills the square.
    """
    chex.assert_rank(images, 4)
    chex.assert_type(images, float)
    batch, height, width, _ = images.shape
    strength = {transform.name: transform.strength for transform in transforms}
    amounts = _amounts(key, batch)
    x = images.astype(jnp.float32)
    # The mean of the given image: with that of the warped one, XLA:CPU would warp twice.
    mean = x.mean((1, 2), keepdims=True)
    if _GEOMETRIC & strength.keys():
        x = by_examples(warp, x, _pose(amounts, strength, height, width))
    if "contrast" in strength:
        x = x + (x - mean) * strength["contrast"] * _of_picture(_signed(amounts.contrast))
    if "brightness" in strength:
        added = strength["brightness"] * _of_picture(_signed(amounts.brightness))
        x, mean = x + added, mean + added
    if "cutout" in strength:
        side = int(strength["cutout"])
        rows = _covered(amounts.cut_y, height, side)[:, :, None, None]
        columns = _covered(amounts.cut_x, width, side)[:, None, :, None]
        x = jnp.where(rows & columns, mean, x)
    return jnp.clip(x, 0, 1).astype(images.dtype)


def mix(
    images: jax.Array, targets: jax.Array, key: jax.Array, alpha: float
) -> tuple[jax.Array, jax.Array]:
    """Mixup: blend each image with another of the batch, and their targets with the same share.

    Example `i` becomes `s * x[i] + (1 - s) * x[(i + r) % B]`, with its own share `s` and one
    random `r` in 1..B-1 for the batch. `s` is the larger of `b` and `1 - b` with `b` from
    Beta(alpha, alpha): the distribution of blends is that of the paper, and each example of an
    epoch is the larger part of one blend.

    Args:
        images: `(B, H, W, C)` float32 or bfloat16 in 0..1.
        targets: `(B, K)` float32, a probability for each class.
        key: of the step, different from `augment`'s.
        alpha: above 0; with a small value, most images hardly change.

    Returns:
        Images and targets of the same shapes and dtypes.

    Raises:
        ValueError: `alpha` is not above 0.

    Reference: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization",
    2018.
    """
    if not alpha > 0:
        raise ValueError(f"alpha: got {alpha}; accepted: a number > 0")
    batch = len(images)
    chex.assert_rank([images, targets], [4, 2])
    chex.assert_shape(targets, (batch, None))
    u = jax.random.uniform(key, (1 + 2 * batch,))
    share = _larger_share(u[1 : 1 + batch], u[1 + batch :], alpha)[:, None]
    other = (jnp.arange(batch) + 1 + (u[0] * (batch - 1)).astype(jnp.int32)) % batch
    # A matrix product, because XLA:CPU would fuse x[other] with the computation of x: `augment`
    # would be computed twice, the second time pixel by pixel.
    weights = share * jnp.eye(batch) + (1 - share) * jax.nn.one_hot(other, batch)

    def blend(x: jax.Array) -> jax.Array:
        rows = x.astype(jnp.float32).reshape(batch, -1)
        mixed = jnp.matmul(weights, rows, precision="highest")
        return jnp.clip(mixed, 0, 1).astype(x.dtype).reshape(x.shape)

    return blend(images), blend(targets)


class _Amounts(NamedTuple):
    """Random numbers of each image, `(B,)` in [0, 1)."""

    flip: jax.Array
    flip_vertical: jax.Array
    zoom: jax.Array
    rotate: jax.Array
    shift_y: jax.Array
    shift_x: jax.Array
    contrast: jax.Array
    brightness: jax.Array
    cut_y: jax.Array
    cut_x: jax.Array


def _amounts(key: jax.Array, batch: int) -> _Amounts:
    # JAX's generator is counter-based: number n is a hash of the key and n, whatever the shape.
    # One flat call compiles in a quarter of the time that a key for each image takes.
    count = len(_Amounts._fields)
    return _Amounts(*jax.random.uniform(key, (batch * count,)).reshape(batch, count).T)


def _pose(amounts: _Amounts, strength: dict[str, float], height: int, width: int) -> Pose:
    def of(name: str) -> float:
        return strength.get(name, 0.0)

    return Pose(
        mirror_y=jnp.where(amounts.flip_vertical < of("flip_vertical"), -1, 1),
        mirror_x=jnp.where(amounts.flip < of("flip"), -1, 1),
        zoom=1 + of("zoom") * _signed(amounts.zoom),
        angle=jnp.deg2rad(of("rotate") * _signed(amounts.rotate)),
        shift_y=jnp.round(of("shift") * height * _signed(amounts.shift_y)),
        shift_x=jnp.round(of("shift") * width * _signed(amounts.shift_x)),
    )


def _signed(amount: jax.Array) -> jax.Array:
    """Map [0, 1) to [-1, 1)."""
    return 2 * amount - 1


def _of_picture(amount: jax.Array) -> jax.Array:
    """Reshape `(B,)` to broadcast against `(B, H, W, C)`."""
    return amount[:, None, None, None]


def _covered(amount: jax.Array, size: int, side: int) -> jax.Array:
    """The pixels of one axis that the square covers, `(B, size)` bool; its centre is any pixel."""
    first = jnp.floor(amount * size)[:, None] - side // 2
    pixel = jnp.arange(size)
    return (first <= pixel) & (pixel < first + side)


def _larger_share(u: jax.Array, v: jax.Array, alpha: float) -> jax.Array:
    """max(s, 1 - s) with s from Beta(alpha, alpha), computed from two uniform numbers each.

    This needs no rejection loop: with `w = u**(-1 / alpha) - 1`,
    `t = sqrt(2 alpha w) cos(2 pi v)` has Student's distribution of `2 alpha` degrees of freedom
    (Bailey, "Polar Generation of Random Variates with the t-Distribution", 1994), and
    `(1 + t / sqrt(2 alpha + t**2)) / 2` is Beta(alpha, alpha).
    """
    log = jnp.log(u) / alpha
    cosine = jnp.cos(2 * jnp.pi * v)
    # 1 / w, which stays finite where w overflows.
    return (1 + jnp.abs(cosine) / jnp.sqrt(jnp.exp(log) / -jnp.expm1(log) + cosine**2)) / 2
