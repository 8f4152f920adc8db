"""Augmentation: the effect of each transform, and the seeding of its amounts."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from jcnn.data.augment import augment, mix
from jcnn.data.transforms import KINDS, parse

Array = npt.NDArray[np.floating]
RANDOM = np.random.default_rng(5)
PICTURES = RANDOM.random((6, 9, 14, 3), np.float32)
ALL = "flip,flip_vertical,zoom,rotate,shift,contrast,brightness,cutout=3"
NAMES = [kind.name for kind in KINDS if kind.name != "mixup"]
MANY = 400


# Compilation takes most of the time of these tests.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@functools.partial(jit, static_argnames="text")
def _augmented(images: jax.Array, key: jax.Array, text: str) -> jax.Array:
    return augment(images, key, parse(text))


def augmented(images: npt.ArrayLike, text: str, seed: int = 0) -> Array:
    return np.asarray(_augmented(jnp.asarray(images), jax.random.key(seed), text))


def copies(picture: npt.ArrayLike) -> Array:
    """A batch of MANY copies of one image."""
    return np.broadcast_to(np.asarray(picture, np.float32), (MANY, *np.shape(picture)))


@functools.cache
def ramps(text: str) -> Array:
    """The affine maps of many images: M `(MANY, 2, 2)` and t `(MANY, 2)` in two columns.

    Position p of the result, from the centre, comes from `M @ (p - t)`. Measured in an image
    whose channels are its own coordinates, over the middle, where no edge comes in.
    """
    side = 41
    place = np.moveaxis(np.mgrid[:side, :side], 0, -1)
    found = augmented(copies(place / side), text) * side - (side - 1) / 2
    middle = slice(side // 2 - 4, side // 2 + 5)
    p = place[middle, middle].reshape(-1, 2) - (side - 1) / 2
    design = np.column_stack([p, np.ones(len(p))])
    solved = [np.linalg.lstsq(design, q[middle, middle].reshape(-1, 2))[0] for q in found]
    linear = np.stack([s[:2].T for s in solved])
    shift = np.stack([-np.linalg.solve(s[:2].T, s[2]) for s in solved])
    return np.concatenate([linear, shift[..., None]], -1)


def assert_uniform(amounts: npt.ArrayLike, low: float, high: float) -> None:
    """Compare with the uniform distribution by its largest difference (Kolmogorov-Smirnov)."""
    values = np.sort(np.ravel(amounts))
    assert low - 1e-4 <= values[0]
    assert values[-1] <= high + 1e-4
    share = (values - low) / (high - low)
    assert np.abs(share - (np.arange(len(values)) + 0.5) / len(values)).max() < 0.08


def test_strength_0_changes_nothing() -> None:
    text = ",".join(f"{name}=0" for name in NAMES)
    np.testing.assert_array_equal(augmented(PICTURES, text), PICTURES, strict=True)


def test_no_transforms_change_nothing() -> None:
    np.testing.assert_array_equal(augmented(PICTURES, ""), PICTURES)
    np.testing.assert_array_equal(augmented(PICTURES, "mixup"), PICTURES)


@pytest.mark.parametrize("text", [ALL, "brightness=1,contrast=1,rotate=180,zoom=0.9"])
@pytest.mark.parametrize("shape", [(6, 9, 14, 3), (2, 1, 5, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_shape_dtype_and_range(
    text: str, shape: tuple[int, int, int, int], dtype: jax.typing.DTypeLike
) -> None:
    found = augmented(jnp.asarray(RANDOM.random(shape).round(1), dtype), text)
    assert found.shape == shape
    assert found.dtype == dtype
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_has_its_own_amounts_and_every_key_others(name: str) -> None:
    picture = RANDOM.random((20, 11, 1), np.float32)
    first, again, other = (augmented(copies(picture), name, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    expected = {"flip": 2, "flip_vertical": 2, "shift": 15, "cutout": 100}
    assert len(np.unique(first, axis=0)) >= expected.get(name, MANY * 0.99)


def test_a_picture_keeps_its_amounts_in_another_batch_and_beside_another_picture() -> None:
    """Only its index in the batch matters, so a smaller last batch is no exception."""
    alone = augmented(PICTURES[:2], ALL)
    np.testing.assert_allclose(augmented(PICTURES, ALL)[:2], alone, rtol=0, atol=1e-6)
    others = np.concatenate([PICTURES[:2], PICTURES[:1]])
    np.testing.assert_allclose(augmented(others, ALL)[:2], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "axis"), [("flip", 1), ("flip_vertical", 0)])
@pytest.mark.parametrize("probability", [0.3, 1])
def test_flips_are_exact_and_as_frequent_as_asked(name: str, axis: int, probability: float) -> None:
    picture = PICTURES[0]
    found = augmented(copies(picture), f"{name}={probability}")
    same = (found == picture).all((1, 2, 3))
    mirrored = (found == np.flip(picture, axis)).all((1, 2, 3))
    assert (same ^ mirrored).all()
    assert mirrored.mean() == pytest.approx(probability, abs=0.08)


def test_shifts_are_whole_pixels_of_both_axes_up_to_the_share() -> None:
    """A tenth of height 20 and width 11 is 2 pixels and 1 pixel."""
    picture = RANDOM.random((20, 11, 1), np.float32)
    wide = np.pad(picture, ((5, 5), (5, 5), (0, 0)), mode="symmetric")
    choices = [(y, x) for y in range(-2, 3) for x in range(-1, 2)]
    counts = dict.fromkeys(choices, 0)
    for found in augmented(copies(picture), "shift=0.1"):
        equal = [
            (y, x)
            for y, x in choices
            if np.array_equal(found, wide[5 - y : 25 - y, 5 - x : 16 - x])
        ]
        assert len(equal) == 1
        counts[equal[0]] += 1
    down = [sum(n for (y, _), n in counts.items() if y == step) / MANY for step in range(-2, 3)]
    right = [sum(n for (_, x), n in counts.items() if x == step) / MANY for step in range(-1, 2)]
    # Uniform in -2..2 and -1.1..1.1, then rounded.
    np.testing.assert_allclose(down, [1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8], atol=0.07)
    np.testing.assert_allclose(right, [3 / 11, 5 / 11, 3 / 11], atol=0.07)


def test_rotation_is_a_rotation_by_up_to_its_degrees() -> None:
    linear = ramps("rotate=15")[..., :2]
    np.testing.assert_allclose(
        linear @ linear.transpose(0, 2, 1), np.broadcast_to(np.eye(2), linear.shape), atol=1e-3
    )
    assert_uniform(np.degrees(np.arctan2(linear[:, 0, 1], linear[:, 0, 0])), -15, 15)


def test_zoom_keeps_the_proportions() -> None:
    linear = ramps("zoom=0.3")[..., :2]
    size = 1 / linear[:, 0, 0]
    np.testing.assert_allclose(linear, np.eye(2) / size[:, None, None], atol=1e-3)
    assert_uniform(size, 0.7, 1.3)


def test_the_geometry_is_flip_then_zoom_then_rotation_then_shift() -> None:
    flip, zoom, rotate, shift = (
        ramps(text) for text in ("flip=0.4", "zoom=0.3", "rotate=15", "shift")
    )
    together = ramps("shift,rotate=15,flip=0.4,zoom=0.3")
    np.testing.assert_allclose(together[..., 2], shift[..., 2], atol=0.02)
    expected = flip[..., :2] @ zoom[..., :2] @ rotate[..., :2]
    np.testing.assert_allclose(together[..., :2], expected, atol=2e-3)


def test_a_rotation_does_not_shear_a_picture_that_is_not_square() -> None:
    """A disc in the centre remains a disc, away from the edges."""
    y, x = np.mgrid[:30, :50] - np.array([14.5, 24.5])[:, None, None]
    disc = (1 - np.clip(np.hypot(y, x) - 8, 0, 1))[..., None]
    difference = np.abs(augmented(copies(disc), "rotate=180") - disc)[:, np.hypot(y, x) < 14]
    assert difference.max() < 0.3
    assert difference.mean() < 0.03


def test_contrast_moves_away_from_the_mean_of_each_channel() -> None:
    picture = 0.4 + 0.2 * RANDOM.random((8, 6, 3)) + [0, 0.1, 0.2]
    found = augmented(copies(picture), "contrast=0.5").astype(np.float64)
    mean = picture.mean((0, 1))
    factor = np.einsum("nhwc,hwc->n", found - mean, picture - mean) / ((picture - mean) ** 2).sum()
    expected = mean + (picture - mean) * factor[:, None, None, None]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert_uniform(factor, 0.5, 1.5)


def test_brightness_adds_one_number_to_the_whole_picture() -> None:
    picture = 0.4 + 0.2 * RANDOM.random((8, 6, 3))
    added = augmented(copies(picture), "brightness=0.3") - picture
    assert np.ptp(added, (1, 2, 3)).max() < 1e-6
    assert_uniform(added[:, 0, 0, 0], -0.3, 0.3)


def test_brightness_clips() -> None:
    ends = np.array([0, 1]).reshape(1, 2, 1)
    found = augmented(copies(ends), "brightness=0.5")[:, 0, :, 0]
    down, up = found[:, 1] < 1, found[:, 0] > 0
    assert (down ^ up).all()
    assert (found[down, 0] == 0).all()
    assert (found[up, 1] == 1).all()


@pytest.mark.parametrize("side", [1, 4, 5])
def test_cutout_is_a_square_with_its_centre_anywhere(side: int) -> None:
    picture = RANDOM.random((9, 13, 2)).astype(np.float32)
    mean = picture.mean((0, 1))
    seen = set()
    for found in augmented(copies(picture), f"cutout={side}"):
        hole = (found != picture).any(-1)
        np.testing.assert_allclose(found[hole], np.broadcast_to(mean, (hole.sum(), 2)), atol=1e-6)
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        expected = np.zeros_like(hole)
        expected[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        np.testing.assert_array_equal(hole, expected)
        for cells, size in ((rows, 9), (columns, 13)):
            assert len(cells) == side or cells[0] == 0 or cells[-1] == size - 1
            assert -(-side // 2) <= len(cells) <= side or size in (cells[-1] + 1, len(cells))
        seen.add((rows[0], rows[-1], columns[0], columns[-1]))
    assert len(seen) > 0.9 * 9 * 13


def test_cutout_larger_than_the_picture_leaves_its_mean() -> None:
    found = augmented(PICTURES, "cutout=1000")
    mean = PICTURES.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(found, np.broadcast_to(mean, found.shape), atol=1e-6)


def test_colours_come_after_the_geometry_and_cutout_last() -> None:
    """All transforms at once equal the single ones in sequence, in float64."""
    dark = 0.4 + 0.2 * PICTURES
    mean = dark.mean((1, 2), keepdims=True, dtype=np.float64)
    factor = (augmented(dark, "contrast") - mean)[:, :1, :1, :1] / (dark - mean)[:, :1, :1, :1]
    added = (augmented(dark, "brightness") - dark)[:, :1, :1, :1]
    hole = (augmented(dark, "cutout=3") != dark).any(-1, keepdims=True)
    moved = augmented(dark, "flip,zoom,rotate,shift").astype(np.float64)
    expected = np.where(hole, mean + added, mean + (moved - mean) * factor + added)
    text = "cutout=3,brightness,contrast,shift,rotate,zoom,flip"
    np.testing.assert_allclose(augmented(dark, text), expected, atol=1e-5)


def test_eager_vmapped_and_in_a_loop_are_the_same() -> None:
    keys = jax.random.split(jax.random.key(3), 2)
    images = jnp.asarray(PICTURES)
    expected = np.stack([_augmented(images, key, ALL) for key in keys])

    def loop(images: jax.Array, keys: jax.Array) -> jax.Array:
        def body(i: jax.Array, out: jax.Array) -> jax.Array:
            now = augment(images, keys[i], parse(ALL))
            changed: jax.Array = jax.lax.dynamic_update_index_in_dim(out, now, i, 0)
            return changed

        out: jax.Array = jax.lax.fori_loop(0, 2, body, jnp.zeros((2, *images.shape)))
        return out

    def each(images: jax.Array, key: jax.Array) -> jax.Array:
        return augment(images, key, parse(ALL))

    np.testing.assert_allclose(each(images, keys[0]), expected[0], atol=1e-5)
    np.testing.assert_allclose(jit(loop)(images, keys), expected, atol=1e-5)
    per_key = jit(jax.vmap(each, (None, 0)))(images, keys)
    np.testing.assert_allclose(per_key, expected, atol=1e-5)
    both = jit(jax.vmap(each))(jnp.stack([images, images]), keys)
    np.testing.assert_allclose(both, expected, atol=1e-5)


def mixed(images: npt.ArrayLike, seed: int = 0, alpha: float = 0.2) -> tuple[Array, Array]:
    """Mix with one class per image: row `i` of the targets holds the shares of image `i`."""
    x = jnp.asarray(images)
    y, weights = jit(mix, static_argnums=3)(x, jnp.eye(len(x)), jax.random.key(seed), alpha)
    return np.asarray(y), np.asarray(weights)


def test_mix_blends_pairs_and_their_targets_alike() -> None:
    offsets = set()
    for seed in range(30):
        found, weights = mixed(PICTURES, seed, 1.0)
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
        expected = np.einsum("ij,jhwc->ihwc", weights.astype(np.float64), PICTURES)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        others = [np.flatnonzero(row * (np.arange(6) != i)) for i, row in enumerate(weights)]
        (offset,) = {(int(other[0]) - i) % 6 for i, other in enumerate(others)}
        assert all(len(other) == 1 for other in others)
        offsets.add(offset)
        assert len(np.unique(np.diag(weights))) == 6
    assert offsets == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 8.0])
def test_mix_draws_from_the_beta_distribution(alpha: float) -> None:
    share = np.diag(mixed(np.zeros((1000, 1, 1, 1), np.float32), 1, alpha)[1])
    assert share.min() >= 0.5
    points = np.array([0.55, 0.6, 0.7, 0.8, 0.9, 0.99, 0.999])
    either = np.random.default_rng(0).beta(alpha, alpha, 10**6)
    expected = (np.maximum(either, 1 - either)[:, None] < points).mean(0)
    np.testing.assert_allclose((share[:, None] < points).mean(0), expected, atol=0.04)


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 100])
def test_mix_keeps_the_range_for_every_alpha(alpha: float) -> None:
    found, weights = mixed(np.ones((500, 1, 2, 1), np.float32), 0, alpha)
    np.testing.assert_allclose(found, 1, atol=1e-6)
    assert found.max() <= 1
    assert np.isfinite(weights).all()


def test_mix_of_one_picture_is_that_picture() -> None:
    found, weights = mixed(PICTURES[:1])
    np.testing.assert_allclose(found, PICTURES[:1], atol=1e-6)
    np.testing.assert_allclose(weights, [[1]], atol=1e-6)


def test_mix_keeps_the_dtype_and_follows_its_key() -> None:
    half = jnp.asarray(PICTURES, jnp.bfloat16)
    y, targets = mixed(half)
    assert (y.dtype, targets.dtype) == (jnp.bfloat16, jnp.float32)
    first, again, other = (mixed(PICTURES, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("alpha", [0, -1, math.nan])
def test_mix_refuses_an_alpha_that_is_not_above_0(alpha: float) -> None:
    with pytest.raises(ValueError, match=rf"^alpha: got {alpha}; accepted: a number > 0$"):
        mix(jnp.asarray(PICTURES), jnp.eye(6), jax.random.key(0), alpha)
