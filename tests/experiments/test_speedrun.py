"""The speedrun's parts against NumPy, and a tiny run of it."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.speedrun_parts import network, training, views
from experiments.speedrun_parts.optimizer import optimizer
from experiments.speedrun_parts.settings import Settings
from jcnn.compile import run_once
from jcnn.data import Dataset
from jcnn.ops import conv2d


@pytest.mark.parametrize("channels", [1, 3])
def test_whitened_patches_have_the_identity_as_covariance(channels: int) -> None:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(channels, channels)) + np.eye(channels)
    x = rng.normal(size=(50, 9, 8, channels)) @ mixed + 0.7
    x[:, 1:] += 0.8 * x[:, :-1]  # neighbours are correlated
    x32 = jnp.asarray(x, jnp.float32)
    filters = run_once(network.whitening_filters, x32, 0.0)
    assert filters.shape == (2, 2, channels, 8 * channels)
    half = 4 * channels
    np.testing.assert_array_equal(filters[..., half:], -filters[..., :half])
    y = np.asarray(conv2d(x32, filters[..., :half], padding="VALID"), np.float64)
    np.testing.assert_allclose(np.cov(y.reshape(-1, half).T, bias=True), np.eye(half), atol=2e-4)
    # Each filter is an eigenvector of the covariance that NumPy computes from windows.
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, half)
    flat = np.asarray(filters[..., :half], np.float64).reshape(half, half)
    product = np.cov(patches.T, bias=True) @ flat
    np.testing.assert_allclose(product, flat / np.sum(flat * flat, 0), atol=2e-3)


def test_epsilon_limits_the_filters_of_rare_patterns() -> None:
    flat = jnp.broadcast_to(jnp.linspace(0, 1, 7)[:, None, None, None], (7, 4, 4, 1))
    filters = run_once(network.whitening_filters, flat)
    assert np.isfinite(filters).all()
    assert np.abs(filters).max() <= 1 / np.sqrt(5e-4) * 1.01


def test_images_are_selected_mirrored_and_shifted_over_their_reflection() -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (6, 7, 5, 3)).astype(np.uint8)
    rows = np.array([4, 0, 4, 2, 5])
    mirrored = np.array([True, False, False, True, True])
    shift = np.array([[0, 0], [-2, 1], [2, 2], [1, -2], [-1, -1]])
    got = run_once(views.moved, images, rows, mirrored, shift)
    assert got.dtype == jnp.uint8
    for i, (dy, dx) in enumerate(shift):
        image = images[rows[i]]
        image = image[:, ::-1] if mirrored[i] else image
        want = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(got[i], want[2 + dy : 9 + dy, 2 + dx : 7 + dx])


def test_every_image_is_mirrored_in_every_second_epoch() -> None:
    first = np.random.default_rng(3).random(64) < 0.5
    mirrored = np.stack([views.mirrored_in(jnp.int32(e), jnp.asarray(first)) for e in range(4)])
    np.testing.assert_array_equal(mirrored[0], first)
    assert 10 < mirrored[0].sum() < 54
    for before, after in itertools.pairwise(mirrored):
        np.testing.assert_array_equal(after, ~before)


def _settings(**changes: Any) -> Settings:
    small = {"widths": (4,), "epochs": 4, "batch_size": 20, "kernel_rate": 0.1, "bias_rate": 1.0}
    return Settings(**{**small, **changes})


def test_muon_moves_a_kernel_along_the_orthogonal_factor_of_its_gradient() -> None:
    rng = np.random.default_rng(2)
    kernel, gradient = rng.normal(size=(2, 3, 3, 4, 8))
    # One step: the schedule is at its peak.
    rule = optimizer(_settings(peak=0.0), 1, 1)

    def update(params: Any, gradients: Any) -> Any:
        return rule.update(gradients, rule.init(params), params)[0]

    updates = run_once(update, [jnp.float32(kernel)], [jnp.float32(gradient)])
    got = -np.asarray(updates[0], np.float64).reshape(36, 8) / 0.1
    left, _, right = np.linalg.svd(gradient.reshape(36, 8), full_matrices=False)
    inner = left.T @ got @ right.T
    # The iteration ends near 1 for every singular value, and changes no singular vector.
    assert 0.6 < np.diag(inner).min() <= np.diag(inner).max() < 1.3
    np.testing.assert_allclose(inner - np.diag(np.diag(inner)), 0, atol=1e-4)
    np.testing.assert_allclose(got, left @ np.diag(np.diag(inner)) @ right, atol=1e-4)


def test_the_rates_rise_and_fall_and_decay_is_decoupled() -> None:
    settings = _settings(head_rate=0.5, bias_rate=2.0, decay=0.25, peak=0.5)
    rule = optimizer(settings, 8, 2)
    params = {"head": jnp.full((1, 1), 3.0), "whitening_bias": jnp.full(1, 3.0)}

    def updates(params: Any) -> Any:
        def step(state: Any, number: Any) -> Any:
            # The first gradient is 1, the others 0: later updates show momentum and decay.
            gradients = jax.tree.map(lambda leaf: jnp.full_like(leaf, number == 0), params)
            moves, state = rule.update(gradients, state, params)
            return state, moves

        return jax.lax.scan(step, rule.init(params), jnp.arange(8))[1]

    seen = run_once(updates, params)
    cycle = np.minimum(0.2 + 0.8 * np.arange(1, 9) / 4, np.arange(8, 0, -1) / 4).clip(0, 1)
    momentum = np.array([1.85, *0.85 ** np.arange(2, 9)])
    want = cycle * (0.5 * momentum + 0.25 * 3)
    np.testing.assert_allclose(-seen["head"].ravel(), want, rtol=1e-5)
    early = np.array([1, 0.5, 0, 0, 0, 0, 0, 0])
    want = cycle * early * (2.0 * momentum + 0.25 * 3)
    np.testing.assert_allclose(-seen["whitening_bias"].ravel(), want, rtol=1e-5, atol=1e-7)


def _halves(count: int, seed: int) -> Dataset:
    """Images of 8x8 whose top or bottom half is brighter; the class says which."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    images = rng.integers(0, 128, (count, 8, 8, 1))
    images[np.arange(8)[None, :] // 4 == labels[:, None]] += 100
    return Dataset(images.astype(np.uint8), labels.astype(np.int32), ("top", "bottom"))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_a_tiny_run_learns(dtype: str) -> None:
    train, test = _halves(60, 0), _halves(50, 1)
    settings = _settings()
    run = training.training(settings, 60, 2, dtype)
    arrays = jnp.asarray(train.images), jnp.asarray(train.labels)
    params, rest, losses = run_once(run, *arrays, jnp.uint32(3))
    assert losses.shape == (12,)
    assert losses[:2].mean() > 0.6 > 0.52 > losses[-2:].mean()
    # 50 images are two batches and a half, of which the last is filled up.
    tested = training.testing(settings, 2, dtype)
    views, plain = run_once(
        tested, params, rest, jnp.asarray(test.images), jnp.asarray(test.labels)
    )
    assert 45 <= plain <= 50
    assert 45 <= views <= 50
