"""Damaged and hostile Keras files: one line, or a model that computes what its graph says."""

import copy
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.graph import GraphModel
from jcnn.interop import load_model
from jcnn.interop.imported import Imported
from jcnn.interop.keras.file import numbered_model, one_line
from jcnn.interop.keras.model import imported_model, listing_of
from jcnn.layers import eval_mode
from jcnn.system.hdf5 import Tree
from tests.interop.keras_files import drawn, functional, numbered, write_keras

Random = np.random.Generator


def tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}


def many_layers() -> dict[str, Any]:
    """In Keras 3's dialect: preprocessing, a nested model, branches, most settings."""

    def layer(kind: str, name: str, config: dict[str, Any], *inputs: str) -> dict[str, Any]:
        args = [tensor(one) for one in inputs]
        return {
            "module": "keras.layers",
            "class_name": kind,
            "config": {"name": name} | config,
            "registered_name": None,
            "name": name,
            "inbound_nodes": [{"args": args if len(args) < 2 else [args], "kwargs": {}}],
        }

    window = {"strides": [1, 1], "padding": "same", "data_format": "channels_last"}
    conv = window | {"filters": 3, "kernel_size": [3, 3], "dilation_rate": [1, 1], "groups": 1}
    norm = {"axis": -1, "momentum": 0.9, "epsilon": 1e-3, "center": True, "scale": True}
    inside = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 8, 8, 3]}},
        {"class_name": "Conv2D", "config": conv | {"name": "conv", "activation": "selu"}},
        {"class_name": "BatchNormalization", "config": norm | {"name": "norm"}},
    ]
    inner = {"name": "inner", "layers": inside, "trainable": True}
    layers = [
        layer("InputLayer", "i", {"batch_shape": [None, 8, 8, 3]}),
        layer("Rescaling", "scale", {"scale": 1 / 255, "offset": 0.0}, "i"),
        layer("Normalization", "adapted", {"axis": [-1]}, "scale"),
        layer("RandomFlip", "flip", {"mode": "horizontal"}, "adapted"),
        layer("Sequential", "inner", inner, "flip"),
        layer("Conv2D", "conv", conv | {"activation": "relu", "use_bias": False}, "flip"),
        layer("Add", "add", {}, "inner", "conv"),
        layer("ZeroPadding2D", "pad", {"padding": [[1, 0], [0, 1]]}, "add"),
        layer("MaxPooling2D", "pool", window | {"pool_size": [2, 2], "strides": [2, 2]}, "pad"),
        layer("UpSampling2D", "up", {"size": [2, 1], "interpolation": "bilinear"}, "pool"),
        layer("Cropping2D", "crop", {"cropping": [[1, 1], [0, 0]]}, "up"),
        layer("Concatenate", "both", {"axis": -1}, "crop", "crop"),
        layer("LeakyReLU", "leaky", {"negative_slope": 0.1}, "both"),
        layer("Reshape", "reshape", {"target_shape": [-1]}, "leaky"),
        layer("Dropout", "drop", {"rate": 0.5}, "reshape"),
        layer("Dense", "dense", {"units": 4, "use_bias": True, "activation": "softmax"}, "drop"),
    ]
    adam = {"module": "keras.optimizers", "class_name": "Adam", "config": {"learning_rate": 0.1}}
    return {
        "module": "keras",
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": layers,
            "input_layers": ["i", 0, 0],
            "output_layers": [["dense", 0, 0]],
        },
        "compile_config": {"optimizer": adam, "loss": "mse"},
    }


def with_weights() -> dict[str, Any]:
    """The arrays of `many_layers` by place."""
    trained = {
        "layers/sequential/layers/conv2d/vars": [drawn(3, 3, 3, 3), drawn(3)],
        "layers/sequential/layers/batch_normalization/vars": [drawn(3), drawn(3)],
        "layers/conv2d/vars": [drawn(3, 3, 3, 3)],
        "layers/dense/vars": [drawn(240, 4), drawn(4)],
    }
    slots = [one for arrays in trained.values() for array in arrays for one in (array, array)]
    trained["layers/sequential/layers/batch_normalization/vars"] += [drawn(3), np.abs(drawn(3))]
    groups = trained | {
        "layers/normalization/vars": [drawn(3), np.abs(drawn(3)), np.asarray(9)],
        "optimizer/vars": [np.asarray(5), np.asarray(0.1, np.float32), *slots],
    }
    return {
        f"{group}/{number}": array
        for group, arrays in groups.items()
        for number, array in enumerate(arrays)
    }


# --- mutations of the configuration ---------------------------------------------------------------

VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 3, 7, 10**6, 10**12, 2**63, -(2**40), 0.5, -1e30, 1e300),
    *(float("nan"), float("inf"), "", "x", "../x", "relu", "same", "Conv2D", "Lambda", "Model"),
    *([], {}, [None], [[]], [1], [3, 3], [0, 0], [[1, 1], [1, 1]], {"class_name": "Dense"}),
    *({"config": None}, {"a": 1}, [10**9, 10**9], tensor("conv"), ["conv", 0, 0], "e" * 10_000),
]


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every container and key inside."""
    found = []
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        found.append((content, key))
        if isinstance(value, dict | list):
            found += places(value)
    return found


def mutated(content: Any, random: Random) -> Any:
    content = copy.deepcopy(content)
    for _ in range(int(random.integers(1, 4))):
        found = places(content)
        if not found:
            return content
        where, key = found[int(random.integers(len(found)))]
        what = random.random()
        if what < 0.15:
            del where[key]
        elif what < 0.3 and isinstance(where, list):
            where.insert(key, copy.deepcopy(where[int(random.integers(len(where)))]))
        elif what < 0.45:
            other, one = found[int(random.integers(len(found)))]
            where[key] = copy.deepcopy(other[one])
        elif what < 0.5:
            where[key] = [where[key]]
        else:
            where[key] = copy.deepcopy(VALUES[int(random.integers(len(VALUES)))])
    return content


def check(found: Imported) -> None:
    """The model computes what the graph says, as far as its shape tells."""
    model: Any = eval_mode(GraphModel(found.graph, rngs=nnx.Rngs(0)))
    given = jax.ShapeDtypeStruct((1, *found.graph.input_shape), jnp.float32)
    made = jax.eval_shape(lambda x: model(x), given)
    assert made.shape[1:] == found.graph.shape_of(found.graph.output)


MODELS = ((many_layers(), with_weights()), (functional(), numbered()))


def test_the_models_are_right_unless_changed() -> None:
    for config, arrays in MODELS:
        tree = tree_of(arrays)
        found = imported_model(numbered_model(config, tree, "3.15.1", ".keras"), None)
        check(found)
        assert (found.optimizer is not None) == ("compile_config" in config), found.notes


def tree_of(arrays: dict[str, Any]) -> Tree:
    groups: dict[str, dict[str, Any]] = {
        f"/{name.rpartition('/vars')[0].rpartition('/')[0]}": {} for name in arrays
    }
    attributes: dict[str, dict[str, Any]] = {"/": {}, "/layers": {}} | groups
    return Tree(attributes, {f"/{name}": array for name, array in arrays.items()})


@pytest.mark.parametrize("count", [40, pytest.param(1500, marks=pytest.mark.slow)])
def test_mutated_configurations(count: int) -> None:
    accepted = 0
    for number in range(count):
        random = np.random.default_rng(number)
        config, arrays = MODELS[number % 2]
        config = mutated(config, random)
        arrays = dict(arrays)
        for name in random.permutation(list(arrays))[: int(random.integers(0, 2))]:
            array = arrays[name]
            arrays[name] = (array.T, array[..., None], array.astype(int))[number % 3]
        found = read_in_process(config, arrays)
        if isinstance(found, str):
            assert "\n" not in found, number
        else:
            check(found)
            accepted += 1
    assert 0.02 * count < accepted < 0.9 * count


def read_in_process(config: Any, arrays: dict[str, Any]) -> Imported | str:
    """What is read, or the one error that a reader may raise."""
    try:
        with one_line("file"):
            model = numbered_model(config, tree_of(arrays), "3.15.1", ".keras")
            listing_of(model, None)
            return imported_model(model, None)
    except ValueError as error:
        return str(error)


# --- mutations of the file ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [6, pytest.param(300, marks=pytest.mark.slow)])
def test_mutated_archives(count: int, tmp_path: Path) -> None:
    """Half are damaged as they are, which its check sums find; half have right check sums."""
    config, arrays = MODELS[0]
    whole = write_keras(tmp_path / "model.keras", config, arrays).read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}

    def is_refused(number: int) -> bool:
        random = np.random.default_rng(number)
        file = tmp_path / f"{number}.keras"
        if number % 2:
            file.write_bytes(damaged(whole, random))
        else:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if number % 4 else 0) as archive:
                for name, content in inside.items():
                    which = random.random() < (0.8 if name.endswith(".h5") else 0.2)
                    archive.writestr(name, damaged(content, random) if which else content)
        try:
            load_model(file)
        except ValueError as error:
            assert "\n" not in str(error)
            return True
        finally:
            file.unlink()
        return False

    with ThreadPoolExecutor(2) as pool:
        refused = sum(pool.map(is_refused, range(count)))
    assert refused > count / 3


def damaged(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    if random.random() < 0.2:
        del changed[int(random.integers(len(changed))) :]
    for _ in range(int(random.integers(1, 6))):
        if changed:
            changed[int(random.integers(len(changed)))] = int(random.integers(256))
    return bytes(changed)


def test_deep_and_wide_configurations() -> None:
    """Neither recursion nor time runs out."""
    deep: Any = {"class_name": "ReLU", "config": {"name": "a"}}
    for number in range(3000):
        config = {"name": f"m{number}", "layers": [deep]}
        deep = {"class_name": "Sequential", "config": config}
    arguments: Any = tensor("i")
    for _ in range(5000):
        arguments = [arguments]
    nested = many_layers()
    nested["config"]["layers"][5]["inbound_nodes"][0]["args"] = arguments
    twice = many_layers()
    layers = twice["config"]["layers"]
    layers += [layers[-1] | {"name": f"d{n}", "config": {"name": f"d{n}"}} for n in range(3000)]
    for config in (deep, nested, twice):
        said = read_in_process(config, {})
        assert isinstance(said, str)
        assert len(said) < 1000


def test_a_text_that_is_no_configuration(tmp_path: Path) -> None:
    for text in (
        "",
        "nul",
        "[" * 100_000,
        json.dumps([1]),
        '{"a": 1}',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin1"),
    ):
        file = tmp_path / "m.keras"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("config.json", text)
            archive.writestr("model.weights.h5", b"x")
        with pytest.raises(ValueError, match=r"m\.keras: "):
            load_model(file)
