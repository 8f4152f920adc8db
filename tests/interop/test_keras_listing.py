"""What is in a Keras file: every layer, why it would be refused, and what was frozen."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx

from jcnn.interop import load_model
from jcnn.interop.imported import Row
from jcnn.interop.keras.file import keras_model
from jcnn.interop.keras.model import list_keras
from jcnn.layers import frozen, train_mode
from tests.interop.keras_files import (
    WEIGHTS,
    drawn,
    functional,
    numbered,
    sequential,
    write_h5,
    write_keras,
)

ROWS = (
    Row("conv2d_1", "Conv2D", (4, 6, 4), 76),
    Row("tanh_1", "Activation", (4, 6, 4), 0),
    Row("add_1", "Add", (4, 6, 4), 0),
    Row("flatten_1", "Flatten", (96,), 0),
    Row("dense_1", "Dense", (5,), 485),
)


def test_every_layer_is_listed(tmp_path: Path) -> None:
    old = list_keras(write_h5(tmp_path / "old.h5", functional()))
    assert (old.format, old.input_shape) == ("Keras 2.2.4, .h5", (7, 6, 3))
    assert (old.rows, old.notes) == (ROWS, ())
    new = list_keras(write_keras(tmp_path / "new.keras", functional(), numbered()))
    assert (new.format, new.rows) == ("Keras 3.15.1, .keras", ROWS)


def test_no_numbers_are_read(tmp_path: Path) -> None:
    model = keras_model(write_h5(tmp_path / "old.h5", functional()), numbers=False)
    for layer in model.layers:
        for array in model.arrays(layer).values():
            assert not any(array.strides)


def test_listing_goes_on_after_a_refusal(tmp_path: Path) -> None:
    config = functional()
    config["config"]["layers"][2] = {
        "class_name": "Lambda",
        "config": {"name": "tanh_1", "function": ["4wE=", None, None]},
        "name": "tanh_1",
        "inbound_nodes": [[["conv2d_1", 0, 0, {}]]],
    }
    weights = copy.deepcopy(WEIGHTS)
    weights["conv2d_1"]["kernel"] = drawn(3, 2, 3, 4)
    rows = list_keras(write_h5(tmp_path / "old.h5", config, weights)).rows
    assert rows[0] == ROWS[0]
    assert rows[1] == Row("tanh_1", "Lambda", None, 0, "is a Lambda, which jcnn has no layer for")
    assert rows[2:] == (
        Row("add_1", "Add", None, 0),
        Row("flatten_1", "Flatten", None, 0),
        Row("dense_1", "Dense", None, 485),
    )
    weights["conv2d_1"]["kernel"] = drawn(2, 3, 3, 4)
    row = list_keras(write_h5(tmp_path / "old.h5", functional(), weights)).rows[0]
    assert row.refused == "kernel: has shape (2, 3, 3, 4); expected (3, 2, 3, 4)"
    assert (row.shape, row.parameters) == (None, 76)


def test_a_free_size_is_a_note(tmp_path: Path) -> None:
    config = sequential(as_list=True)
    config["config"][0] = copy.deepcopy(config["config"][0])
    config["config"][0]["config"]["batch_input_shape"] = [None, None, None, 3]
    file = write_h5(tmp_path / "old.h5", config)
    found = list_keras(file)
    assert found.input_shape == (None, None, 3)
    assert found.notes == ("takes images of any size (None, None, 3): name one, (H, W, C)",)
    assert [row.shape for row in found.rows] == [None, None, None]
    assert [row.parameters for row in found.rows] == [76, 0, 485]
    assert list_keras(file, input_shape=(7, 6, 3)).rows[0].shape == (4, 6, 4)


SUM = {"module": "keras.src.ops.numpy", "class_name": "Add", "config": {"name": "add_1"}}


def tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}


@pytest.mark.parametrize(
    ("layer", "refused"),
    [
        (SUM | {"inbound_nodes": [{"args": [tensor("tanh_1"), tensor("conv2d_1")]}]}, ""),
        (
            SUM | {"inbound_nodes": [{"args": [tensor("tanh_1"), 3.0], "kwargs": {}}]},
            "is a keras.src.ops.numpy.Add, which jcnn has no layer for",
        ),
        (
            SUM | {"module": "my.layers", "inbound_nodes": [{"args": [tensor("tanh_1")]}]},
            "is a my.layers.Add, which jcnn has no layer for",
        ),
        (
            {
                "class_name": "Add",
                "registered_name": "mine>Add",
                "config": {"name": "add_1"},
                "inbound_nodes": [{"args": [tensor("tanh_1")]}],
            },
            "is a mine>Add, which jcnn has no layer for",
        ),
    ],
)
def test_classes_of_others_are_not_mistaken_for_keras_s(
    layer: dict[str, Any], refused: str, tmp_path: Path
) -> None:
    config = functional()
    config["config"]["layers"][3] = layer
    file = write_keras(tmp_path / "new.keras", config, numbered())
    assert [row.refused for row in list_keras(file).rows] == ["", "", refused, "", ""]


# --- frozen layers --------------------------------------------------------------------------------


def with_frozen(path: Path) -> Path:
    """Conv2D and BatchNormalization, both frozen, then Flatten and Dense."""
    config = sequential(as_list=True)
    layers = config["config"]
    layers[0] = {"class_name": "Conv2D", "config": layers[0]["config"] | {"trainable": False}}
    norm = {"name": "norm", "epsilon": 1e-3, "momentum": 0.5, "axis": -1, "trainable": False}
    layers.insert(1, {"class_name": "BatchNormalization", "config": norm})
    roles = ("gamma", "beta", "moving_mean", "moving_variance")
    return write_h5(path, config, WEIGHTS | {"norm": {role: np.abs(drawn(4)) for role in roles}})


def test_a_frozen_batch_norm_stays_as_it_is(tmp_path: Path) -> None:
    model: Any
    model, meta = load_model(with_frozen(tmp_path / "old.h5"))
    assert meta.frozen == ("conv2d_1", "norm")
    assert meta.notes[-1] == (
        "all layers but dense_1 were frozen in Keras: --freeze backbone leaves them as they are"
    )
    x = np.random.default_rng(3).uniform(0, 1, (4, 7, 6, 3)).astype(np.float32)
    before = np.asarray(model.norm.mean[...])
    with frozen([model], meta.frozen, meta.input_shape):
        training: Any = train_mode(model)
        training(x)
        np.testing.assert_array_equal(model.norm.mean[...], before)
        trained = nnx.to_flat_state(nnx.state(model, nnx.Param))
        assert {path[0] for path, _ in trained} == {"dense_1"}
    training = train_mode(model)
    training(x)
    assert np.abs(np.asarray(model.norm.mean[...]) - before).max() > 0.01
