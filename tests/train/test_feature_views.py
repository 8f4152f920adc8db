"""Training from the features of a few augmented views of each image."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.data import Note
from jcnn.data.augment import augment
from jcnn.data.transforms import parse
from jcnn.layers import frozen
from jcnn.runs.history import History
from jcnn.system.caches import cache_folder
from jcnn.train import find_learning_rate, fit, fit_population
from jcnn.train.features import Features, from_features
from jcnn.train.programs import compiled_part, order_program
from tests.train.test_features import PLAIN, SHAPE, Net, computed, data
from tests.train.test_unfreeze import arrays

AUGMENT = "flip=0.5,shift=0.3,brightness=0.2"
VIEWS = replace(PLAIN, epochs=4, augment=AUGMENT, feature_views=3)


def pixels(rows: int, seed: int = 0) -> np.ndarray:
    return np.asarray(data(rows, seed).images) / 255


def features_of(images: np.ndarray) -> np.ndarray:
    """What `Net`'s dropout reads, of `images (N, 6, 5, 2)` in 0..1."""
    model, x = Net(), jnp.asarray(images, jnp.float32)
    y = ops.relu(model.two(ops.relu(model.one(x))))
    means: np.ndarray = np.asarray(y, np.float64).mean((1, 2))
    return means


def features(config: TrainConfig, rows: int = 70) -> Features:
    """The training features; those for validation are of the images as they are."""
    model = Net()
    with (
        frozen([model], config.freeze, SHAPE),
        from_features([model], data(rows), data(9, 1), config, lambda _: None) as (found, others),
    ):
        assert isinstance(found, Features)
        assert isinstance(others, Features)
    want = features_of(pixels(9, 1))
    np.testing.assert_allclose(np.asarray(others.images), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(others.labels, data(9, 1).labels)
    return found


def test_a_view_is_the_model_of_the_augmented_images() -> None:
    """View v has the numbers of epoch v of a training without shuffle in batches of 32."""
    found, given = features(VIEWS), pixels(70)
    augmented = jax.jit(lambda x, key: augment(x, key, parse(AUGMENT)))
    assert (len(found), found.images.shape) == (70, (210, 5))
    views = np.asarray(found.images).reshape(3, 70, 5)
    for view in range(3):
        epoch = jax.random.split(jax.random.fold_in(jax.random.key(0), view + 1))[1]
        for start in range(0, 70, 32):
            step = jax.random.fold_in(epoch, start // 32)
            key = jax.random.split(jax.random.fold_in(step, crc32(b"//augment")))[0]
            batch = jnp.asarray(given[start : start + 32], jnp.float32)
            want = features_of(np.asarray(augmented(batch, key)))
            got = views[view, start : start + 32]
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.labels, np.tile(data(70).labels, 3))


def test_each_image_is_flipped_by_its_own_chance() -> None:
    """An oracle without jcnn's augmentation: an image, or its mirror image."""
    views = np.asarray(features(replace(VIEWS, augment="flip", feature_views=4)).images)
    given = pixels(70)
    both = np.stack([features_of(x) for x in (given, given[:, :, ::-1])])
    far = np.abs(views.reshape(4, 1, 70, 5) - both).max(-1)
    assert (far.min(1) < 1e-5).all()
    flipped = far.argmin(1)
    assert 0.35 < flipped.mean() < 0.65
    assert len({tuple(row) for row in flipped.tolist()}) == 4  # each view has its own draws


def test_the_views_are_those_of_the_seed() -> None:
    one, same, other = (features(replace(VIEWS, seed=seed)).images for seed in (5, 5, 6))
    few = features(replace(VIEWS, seed=5, feature_views=2)).images
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(one[:140], few)  # whatever the number of views
    assert (np.abs(np.asarray(one) - np.asarray(other)).max(-1) > 1e-4).mean() > 0.9


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_epoch_has_every_image_once_and_v_epochs_every_view(shuffle: bool) -> None:
    order = order_program(11, shuffle=shuffle, population=False, views=3)
    rows = np.array([order(jax.random.key(1), epoch) for epoch in range(1, 7)])
    for row in rows:
        assert sorted(row % 11) == list(range(11))
    for start in range(4):
        assert sorted(rows[start : start + 3].ravel()) == list(range(33))
    np.testing.assert_array_equal(rows[0] // 11, np.zeros(11))


def test_with_a_view_for_each_epoch_it_is_the_training_from_images() -> None:
    """Without shuffle and in batches of 32 the augmentation has the same random numbers."""
    config = replace(VIEWS, epochs=3, batch_size=32, shuffle=False)
    some, notes = data(70), list[Any]()
    cached, plain = Net(), Net()
    got = fit(cached, some, config, validation=data(9, 1), on_event=notes.append)
    text = "trained from 5 features of 3 augmented views of each image, the input of dropout"
    assert Note(text) in notes
    want = fit(plain, some, replace(config, feature_views=0), validation=data(9, 1), verbose=0)
    for a, b in zip(got.epochs, want.epochs, strict=True):
        assert (a.loss, a.val_loss) == pytest.approx((b.loss, b.val_loss), rel=1e-5)
        assert (a.accuracy, a.val_accuracy) == (b.accuracy, b.val_accuracy)
    for name, array in arrays(plain).items():
        np.testing.assert_allclose(arrays(cached)[name], array, rtol=1e-4, atol=1e-6)
    assert not hasattr(cached, "start")


def assert_same(one: nnx.Module, other: nnx.Module) -> None:
    for name, array in arrays(one).items():
        np.testing.assert_array_equal(arrays(other)[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("stop", "change"),
    [
        (1, {"unfreeze_at": 2}),
        # In the second part, which has no views: see `test_unfreeze.py`.
        pytest.param(3, {"unfreeze_at": 2, "unfreeze_from": "two"}, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_training_gives_the_same_bits(tmp_path: Path, stop: int, change: Any) -> None:
    config, whole, again = replace(VIEWS, **change), Net(), Net()
    fit(whole, data(), config, verbose=0)

    def interrupt(_model: nnx.Module, history: History) -> None:
        if len(history) == stop:
            raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(Net(), data(), config, run=run, callbacks=[interrupt], verbose=0)
    shutil.rmtree(cache_folder() / "features")
    fit(again, data(), config, run=run, resume=True, verbose=0)
    assert_same(whole, again)
    with pytest.raises(ValueError, match="was trained with feature_views 3, not 4"):
        fit(Net(), data(), replace(config, feature_views=4), run=run, resume=True, verbose=0)


def test_features_that_no_longer_fit_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The free memory may have become less since it was asked; batches cross windows."""
    resident, streamed, notes = Net(), Net(), list[Any]()
    fit(resident, data(), VIEWS, validation=data(9, 1), verbose=0)

    def look(event: Any) -> None:
        notes.append(event)
        if isinstance(event, Note) and event.text.startswith("trained from"):
            monkeypatch.setenv("JCNN_MEMORY_BYTES", "1400")

    fit(streamed, data(), VIEWS, validation=data(9, 1), on_event=look)
    assert any("streamed to the device" in one.text for one in notes if isinstance(one, Note))
    assert_same(resident, streamed)


def test_views_are_computed_once_for_the_same_settings() -> None:
    def count(config: TrainConfig) -> int:
        events, model = list[Any](), Net()
        with (
            frozen([model], config.freeze, SHAPE),
            from_features([model], data(26, seed=21), None, config, events.append),
        ):
            return computed(events)

    assert [count(VIEWS), count(replace(VIEWS, batch_size=5, epochs=9))] == [1, 0]
    changes: list[Any] = [{"seed": 1}, {"feature_views": 2}, {"augment": "flip=0.4"}]
    assert [count(replace(VIEWS, **change)) for change in changes] == [1, 1, 1]


def test_a_learning_rate_test_uses_them() -> None:
    notes: list[Any] = []
    find_learning_rate(Net(), data(), VIEWS, updates=10, on_event=notes.append)
    assert any("3 augmented views" in one.text for one in notes if isinstance(one, Note))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"feature_views": -1}, "^feature_views: got -1; accepted: an int >= 0"),
        ({"freeze": ()}, "^feature_views: got 3; accepted: 0 without freeze"),
        ({"augment": " "}, "^feature_views: got 3; accepted: 0 without augment"),
        ({"augment": "flip,mixup"}, "^augment: got mixup, .* accepted: flip, flip_vertical, .*ut$"),
        ({"freeze": ("two",)}, "^feature_views: got 3; accepted: 0 where the first trained layer"),
    ],
)
def test_wrong_settings(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(Net(), data(), replace(VIEWS, **settings), verbose=0)


@pytest.mark.parametrize("options", [{"skip": True}, {"scale": True}])
def test_a_model_that_cannot_be_cut(options: Any) -> None:
    message = "^feature_views: got 3; accepted: 0 where .* depends on the image in another way$"
    for train in (fit, find_learning_rate):
        with pytest.raises(ValueError, match=message):
            train(Net(**options), data(), VIEWS)


def test_too_many_views_for_the_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three views of 24 images and the 9 for validation have five features each."""
    monkeypatch.setenv("JCNN_MEMORY_BYTES", str((3 * 24 + 9) * 5 * 4 - 1))
    message = "^feature_views: got 3; accepted: at most 2; features of 24 images, 5 at dropout"
    with pytest.raises(ValueError, match=message):
        fit(Net(), data(), VIEWS, validation=data(9, 1), run=tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()
    # The second part of a training has more features: those after `one`, 6 x 5 x 4.
    later = replace(VIEWS, feature_views=2, unfreeze_at=1, unfreeze_from="two")
    with pytest.raises(ValueError, match=r"at most 0; features of 24 images, 6 x 5 x 4 at two"):
        fit(Net(), data(), later, validation=data(9, 1), verbose=0)


def test_views_are_no_part_of_a_program() -> None:
    assert compiled_part(VIEWS) == compiled_part(replace(VIEWS, feature_views=0))


def test_several_models() -> None:
    configs = [VIEWS, replace(VIEWS, seed=1)]
    with pytest.raises(ValueError, match=r"^feature_views: got 3; accepted: 0 for several models"):
        fit_population([Net(), Net()], data(), configs)
