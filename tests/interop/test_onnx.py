"""ONNX files: accepted by ONNX's checker, and the same numbers in onnxruntime."""

import importlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import onnx
import pytest
from flax import nnx

from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.graph import graph
from jcnn.graph.build import KINDS
from jcnn.interop import save_model
from jcnn.interop.onnx.nodes import WRITERS
from jcnn.layers import Activation, Conv2D, Conv2DTranspose, Flatten, Sequential, eval_mode
from jcnn.models import build
from jcnn.train import predict
from tests.graph.test_build import MODELS

onnxruntime: Any = importlib.import_module("onnxruntime")  # it has no types


def runs(path: Path, images: np.ndarray) -> np.ndarray:
    """The output of onnxruntime, after ONNX's own check of the file."""
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"input": images})
    return np.asarray(output)


def saved(model: nnx.Module, shape: tuple[int, int, int], path: Path, **how: Any) -> Path:
    outputs = graph(model, shape).nodes[-1].shape
    names = [f"class {number}" for number in range(outputs[-1])]
    file, _ = save_model(model, path, input_shape=shape, class_names=names, **how)
    return file


def logits(model: nnx.Module, images: np.ndarray) -> np.ndarray:
    with jax.default_matmul_precision("highest"):
        return np.asarray(jax.jit(eval_mode(model))(images))


def assert_same(model: nnx.Module, shape: tuple[int, int, int], path: Path) -> None:
    """For one image and for several, to 2e-5 of the spread."""
    file = saved(model, shape, path)
    for count in (1, 3):
        x = np.random.default_rng(count).normal(size=(count, *shape)).astype(np.float32)
        want = logits(model, x)
        np.testing.assert_allclose(runs(file, x), want, rtol=0, atol=2e-5 * max(1, want.std()))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "rare layers of Flax"])
def test_the_same_numbers_in_onnxruntime(name: str, tmp_path: Path) -> None:
    make, shape = MODELS[name]
    assert_same(make(), shape, tmp_path / "net.onnx")


TRANSPOSED: dict[str, dict[str, Any]] = {
    "SAME, stride 2": {"stride": 2},
    "SAME, kernel smaller than stride": {"stride": 3, "padding": "SAME"},
    "VALID, stride 3, dilated": {"stride": 3, "padding": "VALID", "dilation": 2},
    "uneven, output padding": {
        "stride": (2, 3),
        "padding": ((1, 0), (0, 2)),
        "output_padding": (1, 0),
    },
    "groups": {"stride": 2, "groups": 2, "padding": 1},
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolution(name: str, tmp_path: Path) -> None:
    how = TRANSPOSED[name]
    kernel = (2, 2) if "smaller" in name else (3, 4)
    layer = Conv2DTranspose(4, 6, kernel, rngs=nnx.Rngs(2), **how)
    assert_same(Sequential([layer, Flatten()]), (5, 4, 4), tmp_path / "net.onnx")


ZOO = ("resnet18", "mobilenet_v3_small", "convnext_atto", "efficientnet_b0", "squeezenet1_1")


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo(name: str, tmp_path: Path) -> None:
    model = build(name, (64, 48, 3), 5, seed=1)
    assert_same(model, (64, 48, 3), tmp_path / "net.onnx")


def test_preprocessing_and_softmax_are_operations(tmp_path: Path) -> None:
    shape = (9, 8, 3)
    model = Sequential([Conv2D(3, 2, 3, rngs=nnx.Rngs(0)), Flatten()])
    own = Preprocessing(shape[:2], "crop", "bgr", (0.1, 0.4, 0.6), (0.5, 0.25, 2.0))
    set_preprocessing(model, own)
    file = saved(model, shape, tmp_path / "net.onnx", with_preprocessing=True)
    images = np.random.default_rng(5).integers(0, 256, (3, *shape), np.uint8)
    np.testing.assert_allclose(runs(file, images), predict(model, images), rtol=0, atol=2e-5)


def test_the_metadata_has_classes_and_preprocessing(tmp_path: Path) -> None:
    shape = (6, 6, 1)
    model = Sequential([Conv2D(1, 2, 3, padding="VALID", rngs=nnx.Rngs(0)), Flatten()])
    names = [f"ä {number}" for number in range(32)]
    file, beside = save_model(model, tmp_path / "n.onnx", input_shape=shape, class_names=names)
    read = onnx.load(file)
    metadata = {entry.key: entry.value for entry in read.metadata_props}
    assert json.loads(metadata["class_names"]) == names
    assert json.loads(metadata["preprocessing"]) == "x / 255"
    assert json.loads(beside.read_text(encoding="utf-8"))["class_names"] == names
    (given,) = read.graph.input
    sizes = [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim]
    assert sizes == ["N", 6, 6, 1]
    assert str(tmp_path).encode() not in file.read_bytes()


def test_every_kind_of_node_is_written_or_refused_by_name(tmp_path: Path) -> None:
    assert set(KINDS) - set(WRITERS) == {"flax_conv_transpose"}
    make, shape = MODELS["rare layers of Flax"]
    with pytest.raises(ValueError, match="flax_conv_transpose, which ONNX has no form of"):
        saved(make(), shape, tmp_path / "net.onnx")
    strange = Sequential([Activation(jax.nn.soft_sign), Flatten()])
    with pytest.raises(ValueError, match="is not a known function"):
        saved(strange, (4, 4, 2), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
