"""Trained weights of a run or a file in a newly built model, and the preprocessing they bring."""

import json
import re
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx
from safetensors.numpy import save_file

from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note, Preprocessing
from jcnn.layers import eval_mode, frozen
from jcnn.models import build
from jcnn.models.zoo import zeros
from jcnn.runs import create, describe, load, save
from jcnn.train import fit, predict

SHAPE = (12, 11, 1)


def data(classes: int = 3) -> Dataset:
    random = np.random.default_rng(5)
    images = random.integers(0, 256, (20, *SHAPE), np.uint8)
    names = tuple("abcd"[:classes])
    return Dataset(images, random.integers(0, classes, 20).astype(np.int32), names)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `conv2pool`, one epoch, with frozen layers and a preprocessing."""
    folder = tmp_path_factory.mktemp("weights") / "run"
    config = TrainConfig(epochs=1, batch_size=8, freeze=("conv2d",), restore_best=True, patience=2)
    create(folder, describe("conv2pool", data(), "npz:x.npz", None, config))
    content = json.loads((folder / "config.json").read_text())
    own = Preprocessing(SHAPE[:2], "pad", "grey", (0.3,), (0.2,))
    content["preprocessing"] = own.to_json()
    (folder / "config.json").write_text(json.dumps(content))
    model: Any = build("conv2pool", SHAPE, 3, seed=4)
    model.preprocessing = own
    fit(model, data(), config, validation=data(), run=folder, verbose=0)
    return folder


def variables(model: nnx.Module) -> dict[str, np.ndarray]:
    flat = nnx.to_flat_state(nnx.state(model, nnx.Not(nnx.RngState)))
    return {"/".join(map(str, path)): np.asarray(v[...]) for path, v in flat}


def test_a_run_is_a_source_of_weights(run: Path) -> None:
    notes: list[Any] = []
    model: Any = build("conv2pool", SHAPE, 3, weights=run, notify=notes.append)
    trained: Any
    trained, config = load(run)
    for name, array in variables(trained).items():
        np.testing.assert_array_equal(variables(model)[name], array, err_msg=name)
    assert notes == [Note("weights: 6 arrays loaded")]
    assert model.preprocessing == trained.preprocessing == config.preprocessing
    np.testing.assert_array_equal(predict(model, data().images), predict(trained, data().images))


def test_another_number_of_classes_makes_a_new_head(run: Path) -> None:
    notes: list[Any] = []
    model = build("conv2pool", SHAPE, 4, weights=run, notify=notes.append)
    old, new = variables(load(run)[0]), variables(model)
    assert notes == [Note("weights: 4 arrays loaded; made anew: dense/bias, dense/kernel")]
    for name, array in new.items():
        if name.startswith("dense/"):
            assert not array.any()
        else:
            np.testing.assert_array_equal(array, old[name])
    # A head of zeros learns: its kernel's gradient is that of the features.
    fit(model, data(4), TrainConfig(epochs=1, batch_size=20), verbose=0)
    assert variables(model)["dense/kernel"].any()


def test_another_model_is_refused_and_nothing_is_loaded(run: Path) -> None:
    message = rf"^weights: {re.escape(str(run))} is of another model: it has no 'conv2d_2/bias'"
    with pytest.raises(ValueError, match=message):
        build("conv4", (20, 20, 1), 3, weights=run)
    message = r"is of another model: its 'dense/kernel' has shape \(.*\); expected \("
    with pytest.raises(ValueError, match=message):
        build("conv2pool", (16, 16, 1), 3, weights=run)


def test_a_file_of_torchs_names(tmp_path: Path) -> None:
    """A published network's input is standardised as its weights expect it."""
    random = np.random.default_rng(6)
    model = build("squeezenet1_1", (40, 36, 3), 5, kernel_init=zeros)
    for _, variable in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        drawn = 0.1 * random.normal(size=variable.shape)
        variable.set_value(jnp.asarray(drawn, jnp.float32))
    state: dict[str, np.ndarray] = {}
    for path, array in variables(model).items():
        name = path.replace("/", ".").removesuffix("kernel").removesuffix("bias")
        if path.endswith("kernel"):
            state[f"{name}weight"] = np.ascontiguousarray(array.transpose(3, 2, 0, 1))
        else:
            state[f"{name}bias"] = array
    file = tmp_path / "squeeze.safetensors"
    save_file(state, file)
    again: Any = build("squeezenet1_1", (40, 36, 3), 5, weights=file)
    for name, array in variables(model).items():
        np.testing.assert_array_equal(variables(again)[name], array)
    own = again.preprocessing
    assert own == Preprocessing(
        (40, 36), "crop", "rgb", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    )
    images = np.random.default_rng(2).integers(0, 256, (3, 40, 36, 3), np.uint8)
    x = (images / 255 - np.array(own.mean)) / np.array(own.deviation)
    logits: Any = eval_mode(model)
    want = nnx.jit(logits)(jnp.asarray(x, jnp.float32))
    got = np.log(predict(again, images))
    np.testing.assert_allclose(got - got[:, :1], want - want[:, :1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "which does not exist; accepted: auto, a file or a run folder"),
        (b"hello, world", "is of an unknown format; accepted: a PyTorch checkpoint, a safetensors"),
        (b"\x05" + b"\0" * 7 + b"{abcdefgh", "no valid safetensors file"),
        (b"PK\x03\x04" + b"\0" * 30, ""),
        (b"\x80\x02" + b"\0" * 30, ""),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "weights.bin"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(file))) as caught:
        build("conv1", SHAPE, 3, weights=file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_wrong_sources(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^weights: got model 'conv1'; accepted: efficientnet_"):
        build("conv1", SHAPE, 3, weights="auto")
    with pytest.raises(ValueError, match="has no checkpoint yet"):
        build("conv1", SHAPE, 3, weights=tmp_path)


def test_preprocessing_is_part_of_training_and_prediction() -> None:
    """Images of half the values, with half the mean and deviation, are the same input."""
    half = np.random.default_rng(8).integers(0, 128, (20, *SHAPE), np.uint8)

    def trained(images: npt.NDArray[np.uint8], own: Preprocessing | None) -> np.ndarray:
        model: Any = build("mlp", SHAPE, 3, seed=4)
        if own is not None:
            model.preprocessing = own
        part = Dataset(images, data().labels, data().class_names)
        fit(model, part, TrainConfig(epochs=2, batch_size=7), verbose=0)
        return predict(model, images)

    double = (half * np.uint8(2)).astype(np.uint8)
    one = trained(double, Preprocessing(SHAPE[:2], "stretch", "grey", (0.4,), (0.3,)))
    other = trained(half, Preprocessing(SHAPE[:2], "stretch", "grey", (0.2,), (0.15,)))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert np.abs(one - trained(double, None)).max() > 1e-3


def test_a_frozen_run_has_its_arrays_in_other_groups(run: Path) -> None:
    """What the run froze is saved as other state, and is found there."""
    model = build("conv2pool", SHAPE, 3, weights=run)
    initial = variables(build("conv2pool", SHAPE, 3, seed=4))
    np.testing.assert_array_equal(variables(model)["conv2d/kernel"], initial["conv2d/kernel"])
    with frozen([model], ("conv2d",), SHAPE):
        assert variables(model).keys() == initial.keys()


def test_preprocessing_travels_from_python_to_a_run(tmp_path: Path) -> None:
    own = Preprocessing(SHAPE[:2], "crop", "grey", (0.3,), (0.2,))
    model: Any = build("conv1", SHAPE, 3)
    model.preprocessing = own
    fit(model, data(), TrainConfig(epochs=1), run=tmp_path / "fitted", verbose=0)
    save(model, tmp_path / "saved", class_names=("a", "b", "c"))
    for name in ("fitted", "saved"):
        again, config = load(tmp_path / name, model=build("conv1", SHAPE, 3, seed=1))
        assert (config.preprocessing, config.resize) == (own, "crop")
        np.testing.assert_array_equal(predict(again, data().images), predict(model, data().images))
