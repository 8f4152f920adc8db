"""Keras models as files: small ones by hand, in old dialects, and by the real Keras."""

import importlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

h5py: Any = importlib.import_module("h5py")  # it has no types
Array = npt.NDArray[Any]


def drawn(*shape: int) -> Array:
    """Normal numbers, other ones for each shape."""
    return np.random.default_rng(sum(shape)).normal(0, 0.5, shape).astype(np.float32)


CONV = {
    "name": "conv2d_1",
    "filters": 4,
    "kernel_size": [3, 2],
    "strides": [2, 1],
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "activation": "relu",
    "use_bias": True,
    "batch_input_shape": [None, 7, 6, 3],
}
FLATTEN = {"name": "flatten_1"}
DENSE = {"name": "dense_1", "units": 5, "activation": "softmax", "use_bias": True}
WEIGHTS = {
    "conv2d_1": {"kernel": drawn(3, 2, 3, 4), "bias": drawn(4)},
    "dense_1": {"kernel": drawn(96, 5), "bias": drawn(5)},
}


def sequential(*, as_list: bool) -> dict[str, Any]:
    """The configuration of a model in the style of Keras 2.2, without an InputLayer."""
    layers = [
        {"class_name": "Conv2D", "config": CONV},
        {"class_name": "Flatten", "config": FLATTEN},
        {"class_name": "Dense", "config": DENSE},
    ]
    config: Any = layers if as_list else {"name": "sequential_1", "layers": layers}
    return {"class_name": "Sequential", "config": config}


def functional() -> dict[str, Any]:
    """The same in Keras 2's functional dialect: two branches of one convolution, added."""
    given = {"name": "input_1", "batch_input_shape": [None, 7, 6, 3], "dtype": "float32"}
    conv = {key: value for key, value in CONV.items() if key != "batch_input_shape"}

    def layer(kind: str, config: Any, *inputs: str) -> dict[str, Any]:
        nodes = [[[name, 0, 0, {}] for name in inputs]] if inputs else []
        return {
            "name": config["name"],
            "class_name": kind,
            "config": config,
            "inbound_nodes": nodes,
        }

    layers = [
        layer("InputLayer", given),
        layer("Conv2D", conv, "input_1"),
        layer("Activation", {"name": "tanh_1", "activation": "tanh"}, "conv2d_1"),
        layer("Add", {"name": "add_1"}, "tanh_1", "conv2d_1"),
        layer("Flatten", FLATTEN, "add_1"),
        layer("Dense", DENSE, "flatten_1"),
    ]
    config = {
        "name": "model_1",
        "layers": layers,
        "input_layers": [["input_1", 0, 0]],
        "output_layers": [["dense_1", 0, 0]],
    }
    return {"class_name": "Model", "config": config}


def of_tf_keras() -> tuple[dict[str, Any], dict[str, dict[str, Array]], dict[str, Array]]:
    """What tf.keras 2.15 writes for a model in a model: configuration, weights, Adam's arrays.

    The names of weights in the inner model are without its name, and those of a depthwise kernel
    are Keras 2's.
    """
    same = {"strides": [1, 1], "padding": "same", "dilation_rate": [1, 1], "activation": "linear"}
    conv = {**CONV, "name": "conv_in", "trainable": False}
    depthwise = same | {"name": "deep", "kernel_size": [3, 3], "depth_multiplier": 1}
    norm = {"name": "norm", "axis": [3], "momentum": 0.99, "epsilon": 1e-3}
    inner = [
        {"class_name": "Conv2D", "config": conv},
        {"class_name": "DepthwiseConv2D", "config": depthwise | {"use_bias": False}},
        {"class_name": "BatchNormalization", "config": norm},
    ]
    nested = {"name": "inner", "layers": inner}
    layers: list[dict[str, Any]] = [
        {
            "class_name": "InputLayer",
            "config": {"name": "i", "batch_input_shape": [None, 7, 6, 3]},
            "name": "i",
            "inbound_nodes": [],
        },
        {
            "class_name": "Sequential",
            "config": nested,
            "name": "inner",
            "inbound_nodes": [[["i", 0, 0, {}]]],
        },
        {
            "class_name": "Flatten",
            "config": FLATTEN,
            "name": "flatten_1",
            "inbound_nodes": [[["inner", 1, 0, {}]]],
        },
        {
            "class_name": "Dense",
            "config": DENSE,
            "name": "dense_1",
            "inbound_nodes": [[["flatten_1", 0, 0, {}]]],
        },
    ]
    ends = {"input_layers": [["i", 0, 0]], "output_layers": [["dense_1", 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "model", "layers": layers} | ends}
    trained = {
        "deep/depthwise_kernel": drawn(3, 3, 4, 1),
        "norm/gamma": drawn(4),
        "norm/beta": drawn(4) + 1,
    }
    rest = {
        **{f"conv_in/{role}": array for role, array in WEIGHTS["conv2d_1"].items()},
        "norm/moving_mean": drawn(4) - 1,
        "norm/moving_variance": np.abs(drawn(4)) + np.float32(0.5),
    }
    dense = {f"dense_1/{role}": array for role, array in WEIGHTS["dense_1"].items()}
    slots = {
        f"Adam/{slot}/{name}:0": array * np.float32(factor)
        for name, array in (trained | dense).items()
        for slot, factor in (("m", 2), ("v", 3))
    }
    adam: dict[str, Array] = {"iteration:0": np.asarray(7, np.int64), **slots}
    return config, {"inner": trained | rest, "dense_1": dense}, adam


def write_h5(
    path: Path,
    config: Any,
    weights: Any = None,
    *,
    split: bool = False,
    optimizer: tuple[Any, dict[str, Array]] | None = None,
) -> Path:
    """A whole-model file as Keras 2 writes it.

    Args:
        path: of the file.
        config: of the model.
        weights: by layer, then by role or whole name; None means `WEIGHTS`.
        split: splits the lists of names.
        optimizer: its configuration, and its arrays by name.
    """
    with h5py.File(path, "w") as file:
        if optimizer is not None:
            about = {"loss": "mse", "optimizer_config": optimizer[0]}
            file.attrs["training_config"] = json.dumps(about).encode()
            group = file.create_group("optimizer_weights")
            group.attrs["weight_names"] = [place.encode() for place in optimizer[1]]
            for place, array in optimizer[1].items():
                group.create_dataset(place, data=array)
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = b"2.2.4"
        top = file.create_group("model_weights")
        for layer, arrays in (WEIGHTS if weights is None else weights).items():
            group = top.create_group(layer)
            paths = [role if "/" in role else f"{layer}/{role}" for role in arrays]
            names = [f"{path}:0".encode() for path in paths]
            if split:
                for number, name in enumerate(names):
                    group.attrs[f"weight_names{number}"] = [name]
            else:
                group.attrs["weight_names"] = names
            for name, array in zip(names, arrays.values(), strict=True):
                group.create_dataset(name.decode(), data=array)
    return path


def write_weights(path: Path, layers: dict[str, dict[str, Array]]) -> Path:
    """A file of `save_weights`: a group for each layer, in an order that is not the alphabet's."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in ("input_1", *layers)]
        file.create_group("input_1").attrs["weight_names"] = np.zeros(0)
        for layer, arrays in layers.items():
            group = file.create_group(layer)
            names = [name if "/" in name else f"{layer}/{name}" for name in arrays]
            group.attrs["weight_names"] = [f"{name}:0".encode() for name in names]
            for name, array in zip(names, arrays.values(), strict=True):
                group.create_dataset(f"{name}:0", data=array)
    return path


def write_keras(path: Path, config: Any, arrays: dict[str, Array], version: str = "3.15.1") -> Path:
    """A `.keras` file: its configuration, and its arrays by their place in the file of weights."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content.getvalue())
    return path


def numbered(weights: dict[str, dict[str, Array]] = WEIGHTS) -> dict[str, Array]:
    """Arrays as a `.keras` file has them: by class and number."""
    kinds = {"conv2d_1": "conv2d", "dense_1": "dense"}
    return {
        f"layers/{kinds[layer]}/vars/{number}": array
        for layer, arrays in weights.items()
        for number, array in enumerate(arrays.values())
    }
