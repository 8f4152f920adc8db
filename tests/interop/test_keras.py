"""Keras's files: the same numbers, old dialects, and one line for what cannot be."""

import copy
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops, runs
from jcnn.data.preprocessing import between
from jcnn.interop import load_model
from jcnn.interop.keras.layers import LAYERS
from jcnn.layers import eval_mode
from jcnn.train import predict
from tests.interop.keras_files import (
    WEIGHTS,
    drawn,
    functional,
    of_tf_keras,
    sequential,
    write_h5,
    write_weights,
)

h5py: Any = importlib.import_module("h5py")  # it has no types
ROOT = Path(__file__).parents[2]


def by_hand(x: np.ndarray, *, branches: bool) -> np.ndarray:
    """The logits of the models of `keras_files`, by jcnn's ops, which are tested elsewhere."""
    conv, dense = (WEIGHTS[name] for name in ("conv2d_1", "dense_1"))
    y = ops.relu(ops.conv2d(*map(jnp.asarray, (x, conv["kernel"], conv["bias"])), stride=(2, 1)))
    y = jnp.tanh(y) + y if branches else y
    return np.asarray(y.reshape(len(x), -1) @ dense["kernel"] + dense["bias"])


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("dialect", ["list", "dictionary", "functional"])
def test_old_dialects(dialect: str, split: bool, tmp_path: Path) -> None:
    config = functional() if dialect == "functional" else sequential(as_list=dialect == "list")
    model, meta = load_model(write_h5(tmp_path / "old.h5", config, split=split))
    assert (meta.input_shape, meta.classes, meta.preprocessing) == ((7, 6, 3), 5, None)
    assert meta.notes == (
        "dense_1 softmax: left out, since jcnn's models give logits",
        "how images are scaled is not in the file: x / 255 is assumed",
    )
    x = np.random.default_rng(3).uniform(0, 1, (2, 7, 6, 3)).astype(np.float32)
    got = jax.jit(eval_mode(model))(x)
    want = by_hand(x, branches=dialect == "functional")
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)


@pytest.mark.parametrize("form", ["whole", "weights alone"])
def test_the_structure_of_tf_keras_2_15(form: str, tmp_path: Path) -> None:
    config, weights, adam = of_tf_keras()
    given = {"class_name": "Custom>Adam", "config": {"learning_rate": 0.002}}
    if form == "whole":
        file = write_h5(tmp_path / "old.h5", config, weights, optimizer=(given, adam))
        model, meta = load_model(file)
    else:
        other = {"net": weights["inner"], "end": weights["dense_1"]}  # the order counts
        architecture = tmp_path / "model.json"
        architecture.write_text(json.dumps(config), encoding="utf-8")
        file = write_weights(tmp_path / "old.h5", other)
        model, meta = load_model(file, architecture=architecture)
    x = np.random.default_rng(3).uniform(0, 1, (2, 7, 6, 3)).astype(np.float32)
    inner, dense = weights["inner"], weights["dense_1"]
    convolved = ops.conv2d(
        *map(jnp.asarray, (x, inner["conv_in/kernel"], inner["conv_in/bias"])), stride=(2, 1)
    )
    y = ops.depthwise_conv2d(ops.relu(convolved), jnp.asarray(inner["deep/depthwise_kernel"]))
    deviation = np.sqrt(inner["norm/moving_variance"] + 1e-3)
    y = (y - inner["norm/moving_mean"]) / deviation * inner["norm/gamma"] + inner["norm/beta"]
    want = np.asarray(y).reshape(2, -1) @ dense["dense_1/kernel"] + dense["dense_1/bias"]
    got = jax.jit(eval_mode(model))(x)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)
    assert meta.frozen == ("inner.conv_in",)
    assert (meta.optimizer is not None) == (form == "whole")
    if meta.optimizer is not None:
        assert meta.optimizer.updates == 7
        kernel = inner["deep/depthwise_kernel"]
        squares = meta.optimizer.slots["square"]
        assert len(squares) == 5
        np.testing.assert_array_equal(squares["inner.deep/kernel"], 3 * kernel)


def test_a_model_becomes_a_run(tmp_path: Path) -> None:
    model, meta = load_model(write_h5(tmp_path / "old.h5", functional()))
    own = between(-1, 1, meta.input_shape)
    runs.save(model, tmp_path / "run", class_names=tuple("abcde"), preprocessing=own)
    loaded, config = runs.load(tmp_path / "run")
    images = np.random.default_rng(3).integers(0, 256, (3, 7, 6, 3), np.uint8)
    logits = by_hand(images.astype(np.float32) / 127.5 - 1, branches=True)
    want = np.asarray(jax.nn.softmax(logits))
    np.testing.assert_allclose(predict(loaded, images), want, rtol=0, atol=2e-5)
    assert config.preprocessing == own


# --- refusals -------------------------------------------------------------------------------------


def changed(path: tuple[Any, ...], value: Any) -> Any:
    content = copy.deepcopy(sequential(as_list=False))
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


LAYER = ("config", "layers", 0)
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "code": (changed((*LAYER, "class_name"), "Lambda"), None, "conv2d_1: is a Lambda, which"),
    "another library's class": (changed((*LAYER, "class_name"), "Odd"), None, "is a Odd, which"),
    "channels first": (
        changed((*LAYER, "config", "data_format"), "channels_first"),
        None,
        "conv2d_1: data_format: got 'channels_first'",
    ),
    "a setting is missing": (
        changed((*LAYER, "config"), {"name": "conv2d_1", "batch_input_shape": [None, 7, 6, 3]}),
        None,
        "conv2d_1: a wrong setting: KeyError('kernel_size')",
    ),
    "a function of others": (
        changed((*LAYER, "config", "activation"), "my_relu"),
        None,
        "conv2d_1: activation: got 'my_relu'",
    ),
    "a transposed kernel": (
        sequential(as_list=True),
        {**WEIGHTS, "conv2d_1": {"kernel": drawn(4, 3, 3, 2), "bias": drawn(4)}},
        "conv2d_1: kernel: has shape (4, 3, 3, 2); expected (3, 2, 3, 4)",
    ),
    "an array is missing": (
        sequential(as_list=True),
        {**WEIGHTS, "dense_1": {"kernel": WEIGHTS["dense_1"]["kernel"]}},
        "dense_1: bias: the file has no such array",
    ),
    "texts as numbers": (
        sequential(as_list=True),
        {**WEIGHTS, "dense_1": {"kernel": np.array([b"x"]), "bias": drawn(5)}},
        "has dtype |S1; accepted: numbers",
    ),
    "a number as a model": (3, None, "the configuration has no class_name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    config, weights, said = REFUSED[name]
    file = write_h5(tmp_path / "model.h5", config, weights)
    with pytest.raises(ValueError, match=r"model\.h5: ") as caught:
        load_model(file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_links_and_outside_storage_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(4 * 96 * 5))
    for kind in ("link", "storage", "soft link"):
        file = write_h5(tmp_path / "model.h5", sequential(as_list=True))
        with h5py.File(file, "a") as opened:
            group = opened["model_weights/dense_1/dense_1"]
            del group["kernel:0"]
            if kind == "link":
                group["kernel:0"] = h5py.ExternalLink("other.h5", "/x")
            elif kind == "soft link":
                group["kernel:0"] = h5py.SoftLink("/model_weights/conv2d_1/conv2d_1/kernel:0")
            else:
                outside = [(str(tmp_path / "secret"), 0, 4 * 96 * 5)]
                group.create_dataset("kernel:0", (96, 5), "f4", external=outside)
        with pytest.raises(ValueError, match=r"is a link, which is not|in another file"):
            load_model(file)


def test_a_declared_terabyte_takes_no_memory(tmp_path: Path) -> None:
    file = write_h5(tmp_path / "model.h5", sequential(as_list=True))
    with h5py.File(file, "a") as opened:
        group = opened["model_weights/dense_1/dense_1"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", (2**20, 2**18), "f4", chunks=(1024, 1024))
    assert file.stat().st_size < 100_000
    with pytest.raises(ValueError, match="dense_1"):
        load_model(file)


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.h5")
    (tmp_path / "text.keras").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.keras is of an unknown format; accepted: a Keras"):
        load_model(tmp_path / "text.keras")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_group("layers")
    with pytest.raises(ValueError, match="it holds weights alone; save the whole model"):
        load_model(tmp_path / "weights.h5")


@pytest.mark.parametrize("count", [8, pytest.param(1000, marks=pytest.mark.slow)])
def test_damaged_files_are_one_line(count: int, tmp_path: Path) -> None:
    """Never a crash or another exception, nor a hang, though the HDF5 library itself may hang."""
    content = write_h5(tmp_path / "model.h5", functional()).read_bytes()

    def is_refused(number: int) -> bool:
        rng = np.random.default_rng(number)
        damaged = bytearray(content)
        if rng.random() < 0.2:
            del damaged[int(rng.integers(len(damaged))) :]
        for _ in range(int(rng.integers(1, 6))):
            if damaged:
                damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
        file = tmp_path / f"{number}.h5"
        file.write_bytes(damaged)
        try:
            load_model(file)
        except ValueError as error:
            assert len(str(error).splitlines()) == 1
            return True
        finally:
            file.unlink()
        return False

    with ThreadPoolExecutor(4) as pool:
        refused = sum(pool.map(is_refused, range(count)))
    assert refused > count / 10


# --- the real Keras -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_models_of_keras(suffix: str, tmp_path: Path) -> None:
    """Another process writes them, since Keras chooses its library when it is imported."""
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "tests.interop.keras_written", str(tmp_path), suffix]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    found = sorted(tmp_path.glob(f"*{suffix}"))
    assert len(found) >= 5
    for file in found:
        stem = tmp_path / file.name.removesuffix(suffix)
        beside = stem.with_suffix(".json") if suffix == ".weights.h5" else None
        model, meta = load_model(file, architecture=beside)
        arrays = np.load(stem.with_suffix(".npz"))
        x = arrays["x"]
        if meta.preprocessing is not None:
            mean, deviation = (
                np.asarray(one) for one in (meta.preprocessing.mean, meta.preprocessing.deviation)
            )
            x = (x / 255 - mean) / deviation
        apply: Callable[..., jax.Array] = jax.jit(eval_mode(model))
        got = apply(x.astype(np.float32))
        if any("softmax: left out" in note for note in meta.notes):
            got = jax.nn.softmax(got)
        far = np.abs(np.asarray(got) - arrays["y"]).max()
        assert far <= 2e-5 * max(1.0, float(np.abs(arrays["y"]).max())), file.name


def test_the_documentation_names_every_layer() -> None:
    page = (ROOT / "docs/interop.md").read_text(encoding="utf-8")
    missing = [name for name in (*LAYERS, "Rescaling") if not re.search(rf"\b{name}\b", page)]
    assert missing == []
