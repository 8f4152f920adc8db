"""Keras's layers one by one, in process: what each computes, and which are refused."""

import math
import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn.graph import GraphModel
from jcnn.interop.imported import ASSUMED, Imported
from jcnn.interop.keras.file import numbered_model
from jcnn.interop.keras.layers import FOR_TRAINING
from jcnn.interop.keras.model import imported_model
from jcnn.layers import eval_mode
from jcnn.layers.model import snake_case
from jcnn.system.hdf5 import Tree

Array = npt.NDArray[Any]
SHAPE = (4, 5, 3)
X = np.random.default_rng(0).normal(0, 2, (2, *SHAPE)).astype(np.float32)


def read(
    *layers: tuple[str, dict[str, Any]],
    arrays: dict[str, list[Any]] | None = None,
    version: str = "3.15.1",
    shape: tuple[int | None, ...] = SHAPE,
    given: tuple[int, int, int] | None = None,
) -> Imported:
    """A chain of layers, named after their classes; `arrays` of a layer in Keras's order."""
    listed: list[dict[str, Any]] = [
        {"class_name": kind, "config": {"name": snake_case(kind)} | config}
        for kind, config in layers
    ]
    first = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, *shape]}}
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [first, *listed]}}
    return of_config(config, arrays, version, given)


def of_config(
    config: Any,
    arrays: dict[str, list[Any]] | None = None,
    version: str = "3.15.1",
    given: tuple[int, int, int] | None = None,
) -> Imported:
    places: dict[str, Array | str] = {
        f"/layers/{name}/vars/{number}": np.asarray(array)
        for name, one in (arrays or {}).items()
        for number, array in enumerate(one)
    }
    tree = Tree({"/": {}, "/layers": {}}, places)
    return imported_model(numbered_model(config, tree, version, ".keras"), given)


def layer(kind: str, name: str, config: dict[str, Any], *inputs: str) -> dict[str, Any]:
    """A layer of a Functional model."""
    nodes = [[[one, 0, 0, {}] for one in inputs]] if inputs else []
    own = config | {"name": name}
    return {"class_name": kind, "name": name, "config": own, "inbound_nodes": nodes}


def functional(*layers: dict[str, Any]) -> dict[str, Any]:
    """A model that reads "i" and gives what the last layer does."""
    first = layer("InputLayer", "i", {"batch_shape": [None, *SHAPE]})
    ends = {"input_layers": [["i", 0, 0]], "output_layers": [[layers[-1]["name"], 0, 0]]}
    config = {"name": "m", "layers": [first, *layers]} | ends
    return {"class_name": "Functional", "config": config}


def applied(found: Imported, x: Array = X) -> Array:
    model: Any = eval_mode(GraphModel(found.graph, rngs=nnx.Rngs(0)))
    return np.asarray(jax.jit(lambda x: model(x))(jnp.asarray(x)))


POOL = {"pool_size": 1, "strides": 1, "padding": "valid"}
LAST = ("MaxPooling2D", POOL | {"name": "last"})  # does nothing, so that a model has a node
DENSE = ("Dense", {"units": 3, "use_bias": False})
KERNEL = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)


# --- the first layers -----------------------------------------------------------------------------

MEAN, VARIANCE = np.array([0.4, 0.5, 0.6]), np.array([0.04, 0.09, 0.01])
ADAPTED = {"normalization": [MEAN, VARIANCE, np.asarray(9)]}
GIVEN = {"mean": 100.0, "variance": 4.0, "axis": None}
SCALE = ("Rescaling", {"scale": 1 / 255, "offset": 0.0})


@pytest.mark.parametrize(
    ("layers", "arrays", "mean", "deviation"),
    [
        ([("Rescaling", {"scale": 1 / 127.5, "offset": -1.0})], None, 0.5, 0.5),
        ([SCALE, ("Normalization", {"axis": [-1]})], ADAPTED, MEAN, np.sqrt(VARIANCE)),
        (  # as in EfficientNet
            [
                SCALE,
                ("Normalization", {"axis": 3}),
                ("Rescaling", {"name": "last_of_three", "scale": 2.0, "offset": 1.0}),
            ],
            ADAPTED,
            MEAN - np.sqrt(VARIANCE) / 2,
            np.sqrt(VARIANCE) / 2,
        ),
        ([("Normalization", GIVEN)], None, 100 / 255, 2 / 255),
        (
            [SCALE, ("Normalization", {"mean": 0.25, "variance": 4.0, "invert": True})],
            None,
            -0.125,
            0.5,
        ),
    ],
)
def test_the_first_layers_become_the_preprocessing(
    layers: list[Any], arrays: Any, mean: Any, deviation: Any
) -> None:
    found = read(*layers, LAST, arrays=arrays)
    own = found.preprocessing
    assert own is not None
    np.testing.assert_allclose(own.mean, np.broadcast_to(mean, 3), rtol=1e-6)
    np.testing.assert_allclose(own.deviation, np.broadcast_to(deviation, 3), rtol=1e-6)
    assert [node.kind for node in found.graph.nodes] == ["max_pool"]
    alone = layers[0][0] == "Normalization"
    said = ("normalization: is taken to be for images of 0 to 255",) if alone else ()
    assert found.notes == said


def test_crops_between_the_first_layers_stay_layers() -> None:
    crop = ("CenterCrop", {"height": 2, "width": 2})
    found = read(("RandomFlip", {}), crop, ("Rescaling", {"scale": 2 / 255, "offset": -1.0}), LAST)
    assert found.preprocessing is not None
    assert found.preprocessing.mean == (0.5, 0.5, 0.5)
    np.testing.assert_array_equal(applied(found), X[:, 1:3, 1:3])


def test_images_that_two_layers_read_are_not_scaled_for_both() -> None:
    """The scaled branch scales, the other does not."""
    config = functional(
        layer("Rescaling", "scaled", {"scale": 3.0, "offset": 1.0}, "i"),
        layer("ReLU", "plain", {}, "i"),
        layer("Add", "both", {}, "scaled", "plain"),
    )
    found = of_config(config)
    assert (found.preprocessing, found.notes) == (None, (ASSUMED,))
    np.testing.assert_allclose(applied(found), 3 * X + 1 + np.maximum(X, 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "resize"),
    [
        ({}, "stretch"),
        ({"crop_to_aspect_ratio": True}, "crop"),
        ({"pad_to_aspect_ratio": True}, "pad"),
    ],
)
def test_resizing_becomes_the_size_of_the_images(settings: dict[str, Any], resize: str) -> None:
    size = {"height": 4, "width": 5} | settings
    found = read(
        ("Resizing", size),
        ("Rescaling", {"scale": 1.0, "offset": 0.0}),
        LAST,
        shape=(None, None, 3),
    )
    own = found.preprocessing
    assert own is not None
    assert (found.graph.input_shape, own.size, own.resize) == (SHAPE, (4, 5), resize)
    np.testing.assert_allclose(own.deviation, 1 / 255)
    assert found.notes == (
        "resizing: images are resized to 4 x 5 before the model, with antialiasing",
    )


# --- layers between -------------------------------------------------------------------------------


def test_scaling_between_layers_is_a_layer() -> None:
    scale = ("Rescaling", {"scale": [1.0, 2.0, -3.0], "offset": 0.5})
    norm = ("Normalization", {"axis": [-1]})
    found = read(LAST, scale, norm, arrays=ADAPTED)
    want = X.astype(np.float64) * [1, 2, -3] + 0.5
    np.testing.assert_allclose(applied(found), (want - MEAN) / np.sqrt(VARIANCE), rtol=1e-5)
    model: Any = GraphModel(found.graph, rngs=nnx.Rngs(0))
    assert not jax.tree.leaves(nnx.state(model, nnx.Param))  # not trained


def test_layers_for_training_do_nothing_and_are_told_of() -> None:
    for kind in FOR_TRAINING:
        found = read(LAST, (kind, {"name": "random"}), ("MaxPooling2D", POOL | {"name": "end"}))
        assert [node.name for node in found.graph.nodes] == ["last", "end"]
        said = f"random: a {kind} acts in training alone, and is left out"
        assert found.notes == (said, ASSUMED)
    crop = {"height": 4, "width": 5}
    assert len(read(LAST, ("RandomCrop", crop), ("Resizing", crop)).graph.nodes) == 1


def test_pooling_keeps_axes() -> None:
    for kind, function in (("Average", np.mean), ("Max", np.max)):
        for keepdims in (False, True):
            found = read((f"Global{kind}Pooling2D", {"keepdims": keepdims}))
            want = function(X, axis=(1, 2), keepdims=keepdims)
            np.testing.assert_allclose(applied(found), want, rtol=1e-5, atol=1e-6)


def test_three_branches_are_added_and_multiplied() -> None:
    for kind, function in (("Add", np.add), ("Multiply", np.multiply)):
        config = functional(
            layer("Activation", "a", {"activation": "tanh"}, "i"),
            layer("ReLU", "b", {}, "i"),
            layer("Activation", "c", {"activation": "sigmoid"}, "i"),
            layer(kind, "all", {}, "a", "b", "c"),
        )
        want = function(function(np.tanh(X), np.maximum(X, 0)), 1 / (1 + np.exp(-X)))
        np.testing.assert_allclose(applied(of_config(config)), want, rtol=1e-5, atol=1e-6)


# --- functions ------------------------------------------------------------------------------------

X64 = X.astype(np.float64)
ERF = np.vectorize(math.erf)


def softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


FUNCTIONS: dict[str, Any] = {
    "linear": X64,
    "relu": np.maximum(X64, 0),
    "relu6": np.clip(X64, 0, 6),
    "leaky_relu": np.where(X64 > 0, X64, 0.2 * X64),
    "sigmoid": 1 / (1 + np.exp(-X64)),
    "tanh": np.tanh(X64),
    "softplus": softplus(X64),
    "elu": np.where(X64 > 0, X64, np.expm1(X64)),
    "selu": 1.0507009873554805 * np.where(X64 > 0, X64, 1.6732632423543772 * np.expm1(X64)),
    "mish": X64 * np.tanh(softplus(X64)),
    "gelu": X64 * (1 + ERF(X64 / math.sqrt(2))) / 2,
    "silu": X64 / (1 + np.exp(-X64)),
    "swish": X64 / (1 + np.exp(-X64)),
    "hard_sigmoid": np.clip(X64 / 6 + 0.5, 0, 1),
    "hard_silu": X64 * np.clip(X64 / 6 + 0.5, 0, 1),
    "hard_swish": X64 * np.clip(X64 / 6 + 0.5, 0, 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function(name: str) -> None:
    found = read(("Activation", {"activation": name}), ("Flatten", {}))
    want = np.asarray(FUNCTIONS[name]).reshape(2, -1)
    np.testing.assert_allclose(applied(found), want, rtol=1e-5, atol=1e-5)


def test_keras_2_had_another_hard_sigmoid() -> None:
    want = np.clip(0.2 * X64 + 0.5, 0, 1)
    for one in (
        ("Activation", {"activation": "hard_sigmoid"}),
        (
            "DepthwiseConv2D",
            {
                "kernel_size": 1,
                "strides": 1,
                "padding": "valid",
                "use_bias": False,
                "activation": {"class_name": "function", "config": {"name": "hard_sigmoid"}},
            },
        ),
    ):
        arrays = {"depthwise_conv2d": [np.ones((1, 1, 3, 1), np.float32)]}
        old = read(one, arrays=arrays, version="2.15.0")
        np.testing.assert_allclose(applied(old), want, rtol=1e-5, atol=1e-6)


def test_a_layer_as_a_function() -> None:
    given = {"class_name": "LeakyReLU", "config": {"name": "leaky", "negative_slope": 0.1}}
    dense = ("Dense", {"units": 3, "use_bias": False, "activation": given})
    y = X64 @ KERNEL
    want = np.where(y > 0, y, 0.1 * y)
    found = read(dense, arrays={"dense": [KERNEL]})
    np.testing.assert_allclose(applied(found), want, rtol=1e-4, atol=1e-4)


# --- refusals -------------------------------------------------------------------------------------

NO_LAYER = ", which jcnn has no layer for"
REFUSED: list[tuple[tuple[str, dict[str, Any]], str]] = [
    *(
        ((kind, {"name": "odd"}), f"odd: is a {kind}{NO_LAYER}")
        for kind in (
            *("Lambda", "TFOpLambda", "SlicingOpLambda", "ModuleWrapper", "TimeDistributed"),
            *("Permute", "Conv1D", "Conv3D", "Embedding", "LSTM", "MultiHeadAttention"),
            *("Masking", "AutoContrast", "Equalization", "Solarization", "Maximum", "Dot"),
        )
    ),
    (
        ("Resizing", {"height": 8, "width": 8}),
        "resizing: resizes (4, 5) to (8, 8); accepted: as the first layer alone",
    ),
    (
        ("CenterCrop", {"height": 8, "width": 2}),
        "center_crop: enlarges images of (4, 5) to (8, 2), which a crop cannot",
    ),
    (
        ("RandomCrop", {"height": 2, "width": 2}),
        "random_crop: crops images of (4, 5) to (2, 2): at prediction Keras 2 resizes them",
    ),
    (
        ("Normalization", {"axis": [1], "mean": [1.0] * 4, "variance": [1.0] * 4}),
        "normalization: axis: got [1]; accepted: -1, or None",
    ),
    (
        ("Rescaling", {"scale": [1.0, 2.0], "offset": 0.0}),
        "rescaling: scales 2 channels, not 3",
    ),
    (
        ("Rescaling", {"scale": float("nan"), "offset": 0.0}),
        "rescaling: scales by nan; accepted: one number for each channel",
    ),
    (
        ("AveragePooling2D", {"pool_size": [10**6, 2], "padding": "same"}),
        "average_pooling2d: pool_size: got (1000000, 2), which is too large for maps of (4, 5, 3)",
    ),
    (
        ("ZeroPadding2D", {"padding": 10**6}),
        "zero_padding2d: gives (2000004, 2000005, 3), more than 1,073,741,824 numbers an image",
    ),
    (("Add", {}), "add: reads 1 inputs; accepted: two or more"),
    (
        (
            "Activation",
            {"activation": {"class_name": "function", "config": "relu", "module": "builtins"}},
        ),
        "activation: activation: got \"a function 'relu'\"; accepted: relu, ",
    ),
]


@pytest.mark.parametrize(("odd", "said"), REFUSED)
def test_what_cannot_be_is_refused_by_name(odd: tuple[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read(LAST, odd)


def test_a_layer_that_is_called_twice() -> None:
    twice = layer("ReLU", "a", {}, "i")
    twice["inbound_nodes"].append([["a", 0, 0, {}]])
    config = functional(twice)
    with pytest.raises(ValueError, match="a is called 2 times; accepted: once"):
        of_config(config)


def test_a_size_that_does_not_fit_resizing() -> None:
    size = {"height": 8, "width": 8}
    with pytest.raises(ValueError, match=r"takes images of \(8, 8, 3\), not \(4, 5, 3\)"):
        read(("Resizing", size), LAST, given=(4, 5, 3))


def test_frozen_layers_are_told_of_in_one_line() -> None:
    dense = {"units": 3, "use_bias": False}
    arrays = {f"dense_{n}" if n else "dense": [KERNEL] for n in range(8)}
    start, keeps = "--freeze backbone", "leaves them as they are"
    cases: list[tuple[Sequence[int], str]] = [
        ((), ""),
        ((0, 2), f"d0, d2 were frozen in Keras: --freeze with their names {keeps}"),
        (range(8), "all layers were frozen in Keras"),
        (range(7), f"all layers but d7 were frozen in Keras: {start} {keeps}"),
        (
            range(5),
            f"all layers before d5 were frozen in Keras: {start} --unfreeze-from d5 {keeps}",
        ),
        (
            (0, 1, 2, 3, 4, 6),
            f"d0, d1, d2, d3 and 2 more were frozen in Keras: --freeze with their names {keeps}",
        ),
    ]
    for frozen, said in cases:
        layers = [
            ("Dense", dense | {"name": f"d{n}", "trainable": n not in frozen}) for n in range(8)
        ]
        found = read(*layers, arrays=arrays)
        assert found.frozen == tuple(f"d{n}" for n in frozen)
        assert found.notes == ((ASSUMED, said) if said else (ASSUMED,))


def test_numbers_that_are_not_finite_are_a_note() -> None:
    kernel = KERNEL.copy()
    kernel[1, 1] = np.nan
    found = read(DENSE, arrays={"dense": [kernel]})
    assert found.notes == (ASSUMED, "dense/kernel holds NaN or infinity")
