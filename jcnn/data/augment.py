"""Augmentation: every training image changed at random, on the device, inside the epoch."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from jcnn.data._warp import Pose, warp
from jcnn.data.transforms import Transform

_GEOMETRIC = {"flip", "flip_vertical", "zoom", "rotate", "shift"}


def augment(images: jax.Array, key: jax.Array, transforms: tuple[Transform, ...]) -> jax.Array:
    """Change each image by random amounts of its own.

    In this order, whatever the order of `transforms`: flips, zoom, rotation and shift, composed
    into one mapping and interpolated once, bilinearly; then contrast, about the mean of each
    channel of the image given; then brightness; then cutout, filled with that mean, moved as
    brightness moved the rest; at last values beyond 0..1 are clipped. Every amount is uniform
    between its strength's two ends. Shifts are whole pixels, so shifts and flips alone never
    blur. What comes in over an edge is the image's mirror image in it, which is Keras's default
    too: it makes no streaks, and no colour that the image lacks.

    Args:
        images: `(B, H, W, C)` float32 or bfloat16 in 0..1.
        key: of the step. Each image's amounts follow from it and the image's place in the
            batch alone: not from the batch's size, nor from which transforms there are.
        transforms: from `parse`; `mixup` is left to `mix`.

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
    # The given image's mean: the changed one's would make XLA:CPU compute that image twice.
    mean = x.mean((1, 2), keepdims=True)
    if _GEOMETRIC & strength.keys():
        x = warp(x, _pose(amounts, strength, height, width))
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
    """Mixup: each image blended with another of the batch, and the targets likewise.

    Example `i` becomes `s * x[i] + (1 - s) * x[(i + r) % B]`, with a share `s` of its own and one
    random `r` in 1..B-1 for the batch. `s` is from Beta(alpha, alpha), or 1 less it where that is
    more: blends of two random images are as likely as before, and each example of an epoch
    still is the larger part of one.

    Args:
        images: `(B, H, W, C)` float32 or bfloat16 in 0..1.
        targets: `(B, K)` float32, a probability for each class.
        key: of the step, another than `augment`'s.
        alpha: above 0; small ones leave most images nearly alone.

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
    # A matrix product, because XLA:CPU would fuse x[other] with what computes x: all that
    # `augment` does would be done twice, the second time pixel by pixel.
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
    # JAX's generator counts: number n is a hash of the key and n, whatever the shape. Drawn in
    # one flat call, an image's ten compile in a quarter of the time that a key for each takes.
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
    """From [0, 1) to [-1, 1)."""
    return 2 * amount - 1


def _of_picture(amount: jax.Array) -> jax.Array:
    """`(B,)` as it meets `(B, H, W, C)`."""
    return amount[:, None, None, None]


def _covered(amount: jax.Array, size: int, side: int) -> jax.Array:
    """Which pixels of one axis the square covers, `(B, size)`; its centre is any of them."""
    first = jnp.floor(amount * size)[:, None] - side // 2
    pixel = jnp.arange(size)
    return (first <= pixel) & (pixel < first + side)


def _larger_share(u: jax.Array, v: jax.Array, alpha: float) -> jax.Array:
    """max(s, 1 - s) of s from Beta(alpha, alpha), from two uniform numbers each.

    No loop of rejections has to be compiled: with `w = u**(-1 / alpha) - 1`,
    `t = sqrt(2 alpha w) cos(2 pi v)` has Student's distribution of `2 alpha` degrees of freedom
    (Bailey, "Polar Generation of Random Variates with the t-Distribution", 1994), and
    `(1 + t / sqrt(2 alpha + t**2)) / 2` is Beta(alpha, alpha).
    """
    log = jnp.log(u) / alpha
    cosine = jnp.cos(2 * jnp.pi * v)
    # 1 / w, which stays finite where w would not.
    return (1 + jnp.abs(cosine) / jnp.sqrt(jnp.exp(log) / -jnp.expm1(log) + cosine**2)) / 2
