"""A training on several devices is that of one device, up to the order of sums."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jcnn.config import TrainConfig
from jcnn.data import Dataset, StreamedImages
from jcnn.layers import Dense, Flatten, Sequential, train_mode
from jcnn.layers.model import split_model
from jcnn.runs import RunConfig
from jcnn.train import devices as devices_module
from jcnn.train import evaluate, fit, fit_population, loop, model_state, predict
from jcnn.train.devices import mesh_of, parameter_spec
from jcnn.train.metrics import zero_totals
from jcnn.train.programs import epoch_program, init_program
from tests.train import small

# 55 training images: six whole batches and one of 7, which 2, 4 and 8 devices do not divide.
CONFIG = TrainConfig(
    epochs=3,
    batch_size=8,
    validation_split=0.2,
    seed=3,
    augment="shift,flip",
    optimizer="momentum",
    learning_rate=0.05,
    accumulate_steps=2,
    ema=0.9,
    steps_per_call=3,
)
DATA = small.dataset(69)


def streamed(data: Dataset) -> Dataset:
    """The same images, each read when it is needed."""
    images = StreamedImages(
        lambda n: np.asarray(data.images)[n], np.arange(len(data)), data.image_shape
    )
    return Dataset(images, data.labels, data.class_names)


def dense(seed: int = 0) -> Sequential:
    """The smallest model: it compiles in a tenth of the time."""
    return Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(seed))])


def numbers(history: Any) -> np.ndarray:
    return np.array([history["loss"], history["val_loss"]])


class Trained:
    """The history and the arrays of a training."""

    def __init__(self, config: TrainConfig, data: Dataset = DATA, **how: Any) -> None:
        model = how.pop("model", None) or small.model()
        self.numbers = numbers(fit(model, data, config, verbose=0, **how))
        self.arrays = small.arrays(model)
        self.model = model

    def assert_near(self, other: "Trained") -> None:
        """Compare histories and arrays."""
        np.testing.assert_allclose(self.numbers, other.numbers, rtol=1e-5)
        for name, array in self.arrays.items():
            np.testing.assert_allclose(array, other.arrays[name], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def alone() -> Trained:
    return Trained(CONFIG)


@pytest.mark.parametrize("devices", [pytest.param(2, marks=pytest.mark.slow), 8])  # and 4 below
def test_devices_give_the_losses_of_one(alone: Trained, devices: int) -> None:
    """Batch statistics, dropout, augmentation, order and the partial last batch are the same."""
    trained = Trained(replace(CONFIG, devices=devices))
    trained.assert_near(alone)
    kernel = nnx.state(trained.model, nnx.Param)
    assert all(len(x.devices()) == 1 for x in jax.tree.leaves(kernel))  # as any other model


@pytest.mark.slow
def test_mixup_mixes_the_images_of_the_whole_batch() -> None:
    config = replace(CONFIG, epochs=1, augment="mixup")
    shared = Trained(replace(config, devices=4), model=dense())
    shared.assert_near(Trained(config, model=dense()))


def test_streamed_images_are_read_once_each(alone: Trained) -> None:
    read: list[int] = []
    data = streamed(DATA)
    images = data.images
    assert isinstance(images, StreamedImages)
    original = images.read

    def counted(n: int) -> Any:
        read.append(n)
        return original(n)

    counting = replace(data, images=replace(images, read=counted))
    trained = Trained(replace(CONFIG, devices=4), counting)
    trained.assert_near(alone)
    assert len(read) <= CONFIG.epochs * len(DATA) + 8  # and the filling of the last batches


def test_a_checkpoint_goes_on_with_any_number_of_devices(alone: Trained, tmp_path: Path) -> None:
    for epochs, devices in ((1, 4), (2, 1), (3, 2)):
        config = replace(CONFIG, epochs=epochs, devices=devices)
        trained = Trained(config, run=tmp_path / "run", resume=epochs > 1)
    trained.assert_near(alone)


def test_a_resumed_training_has_the_same_bits(tmp_path: Path) -> None:
    config = replace(CONFIG, devices=2)
    whole = Trained(config)
    Trained(replace(config, epochs=1), run=tmp_path / "run")
    resumed = Trained(config, run=tmp_path / "run", resume=True)
    small.assert_same_bits(whole.model, resumed.model)
    np.testing.assert_array_equal(whole.numbers, resumed.numbers)


@pytest.mark.slow
def test_members_of_a_population_are_spread() -> None:
    configs = [replace(CONFIG, epochs=1, seed=seed) for seed in range(4)]
    found = []
    for devices in (1, 2):
        members = [dense(seed) for seed in range(4)]
        shared = [replace(config, devices=devices) for config in configs]
        histories = fit_population(members, DATA, shared, verbose=0)
        found.append(([numbers(history) for history in histories], members))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        other_arrays = small.arrays(other)
        for name, array in small.arrays(one).items():
            np.testing.assert_allclose(array, other_arrays[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [lambda data: data, streamed])
def test_evaluate_and_predict(alone: Trained, kind: Any) -> None:
    data = kind(DATA)
    want = predict(alone.model, DATA.images, batch_size=16, flips=True)
    got = predict(alone.model, data.images, batch_size=10, flips=True, devices=8)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)
    one, many = evaluate(alone.model, DATA), evaluate(alone.model, data, devices="all")
    assert (many.accuracy, many.n) == (one.accuracy, one.n)
    assert many.loss == pytest.approx(one.loss, rel=1e-6)


def test_large_arrays_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `model_parallel`, each device has a part of the dense layer and of its moments."""
    monkeypatch.setattr(devices_module, "LARGE", 64)
    seen: list[Any] = []
    original = model_state.to_tree

    def to_tree(state: Any, totals: Any, result: Any) -> Any:
        seen.append(state)
        return original(state, totals, result)

    monkeypatch.setattr(loop, "to_tree", to_tree)
    trained = Trained(replace(CONFIG, devices=4, model_parallel=2), model=dense())
    trained.assert_near(Trained(CONFIG, model=dense()))
    for tree in (seen[0].params, seen[0].optimizer, seen[0].average):
        parts = [x for x in jax.tree.leaves(tree) if x.size == 180]
        assert parts and all(x.sharding.shard_shape(x.shape) != x.shape for x in parts)


def test_vgg16_is_split_by_its_sizes() -> None:
    """Each of two devices has half of the memory; biases and the first kernels stay whole."""
    mesh = mesh_of(4, model_parallel=2)
    assert mesh is not None
    made = RunConfig(
        "vgg16", (224, 224, 3), tuple(map(str, range(1000))), "", None, CONFIG
    ).structure()
    found = [x.shape for x in jax.tree.leaves(nnx.state(made, nnx.Param))]
    assert (25088, 4096) in found
    own = [NamedSharding(mesh, parameter_spec(shape, mesh)).shard_shape(shape) for shape in found]
    assert sum(map(math.prod, own)) < 0.501 * sum(map(math.prod, found))
    assert dict(zip(found, own, strict=True))[25088, 4096] == (12544, 4096)
    whole = {shape for shape, part in zip(found, own, strict=True) if shape == part}
    assert {len(shape) for shape in whole} == {1, 4}
    assert max(map(math.prod, whole)) < 2**18


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"devices": 9}, r"devices: got 9; accepted: at most 8.*JAX_NUM_CPU_DEVICES=9"),
        ({"devices": 3}, r"batch_size: got 8 on 3 devices; accepted: a multiple of 3.* 6 or 9"),
        ({"devices": 4, "model_parallel": 3}, r"model_parallel: got 3; accepted: a divisor of 4"),
        ({"devices": 0}, r"devices: got 0; accepted: all, or an int >= 1"),
        ({"devices": "both"}, r"devices: got 'both'; accepted: all, or an int >= 1"),
        ({"model_parallel": 2}, r"model_parallel: got 2; accepted: a divisor of 1"),
    ],
)
def test_refused_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(small.model(), DATA, replace(CONFIG, **settings), verbose=0)


def test_refused_population() -> None:
    configs = [replace(CONFIG, seed=seed, devices=2) for seed in range(3)]
    with pytest.raises(ValueError, match=r"configs: got 3 models on 2 devices.* such as 2 or 4"):
        fit_population([small.model() for _ in configs], DATA, configs, verbose=0)


def test_no_picture_is_gathered() -> None:
    """The compiled epoch of a network of every kind of layer exchanges sums and means only."""
    mesh = mesh_of(4)
    assert mesh is not None
    parts = split_model(train_mode(small.model()))
    whole = NamedSharding(mesh, P())

    def placed(x: Any) -> Any:
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole)

    init = init_program(CONFIG, population=False)
    state = jax.tree.map(placed, jax.eval_shape(init, parts.params, parts.rest))
    images = np.zeros((64, *DATA.image_shape), np.uint8)
    window = [placed(x) for x in (images, np.zeros(64, np.int32), np.zeros(64, np.int32))]
    program = epoch_program(parts.graphdef, CONFIG, examples=64, classes=3, mesh=mesh)
    others = 0, jax.random.key(0), np.float32(0.1), 0, 0, 8
    lowered = program.lower(state, parts.streams, zero_totals(), *window, *others)
    names = "all-gather|all-to-all|collective-permute|all-reduce|reduce-scatter"
    found = re.findall(rf"= (.*?) ({names})(?:-start)?\(", lowered.compile().as_text())
    assert {name for _, name in found} == {"all-reduce"}
    kernels = sum(x.size for x in jax.tree.leaves(parts.params))
    for shapes, _ in found:
        sizes = re.findall(r"\w\[([\d,]*)\]", shapes)
        assert sum(np.prod([int(n) for n in size.split(",") if n]) for size in sizes) <= kernels
