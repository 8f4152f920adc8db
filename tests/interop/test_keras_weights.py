"""Files of weights alone: with an architecture beside them, or into a model of jcnn."""

import copy
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import interop
from jcnn.data import Note
from jcnn.interop.imported import ASSUMED
from jcnn.interop.weights import load_weights, weights_preprocessing
from jcnn.models import build
from tests.interop.keras_files import WEIGHTS, drawn, functional, numbered, write_h5, write_weights

h5py: Any = importlib.import_module("h5py")  # it has no types
Array = npt.NDArray[Any]


def write_numbered(path: Path, arrays: dict[str, Array]) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return path


def arrays_of(model: nnx.Module) -> dict[str, Array]:
    flat = nnx.to_flat_state(nnx.state(model, nnx.Not(nnx.RngState)))
    return {"/".join(map(str, path)): np.asarray(v[...]) for path, v in flat}


# --- with the architecture ------------------------------------------------------------------------


def renamed(layers: dict[str, dict[str, Array]]) -> dict[str, dict[str, Array]]:
    return {name.replace("_1", "_7"): arrays for name, arrays in layers.items()}


@pytest.mark.parametrize("form", ["by name", "by order", "numbered"])
def test_weights_and_an_architecture_are_a_model(form: str, tmp_path: Path) -> None:
    architecture = tmp_path / "model.json"
    architecture.write_text(json.dumps(functional()), encoding="utf-8")
    file = tmp_path / "only.h5"
    if form == "numbered":
        write_numbered(file, numbered())
    else:
        write_weights(file, WEIGHTS if form == "by name" else renamed(WEIGHTS))
    model, meta = interop.load_model(file, architecture=architecture)
    whole, told = interop.load_model(write_h5(tmp_path / "whole.h5", functional()))
    for path, array in arrays_of(whole).items():
        np.testing.assert_array_equal(arrays_of(model)[path], array)
    notes = list(meta.notes)
    if form == "by order":
        assert notes.pop(0) == (
            "weights are taken by the order of the layers: conv2d_7 for conv2d_1, dense_7 for "
            "dense_1"
        )
    assert notes == list(told.notes)


def nested() -> dict[str, Any]:
    """A model in a model: Conv2D, then BatchNormalization twice, the first of these frozen."""
    norm = {"epsilon": 1e-3, "momentum": 0.5, "axis": -1}
    layers = [
        {"class_name": "Conv2D", "config": functional()["config"]["layers"][1]["config"]},
        {"class_name": "BatchNormalization", "config": norm | {"name": "a", "trainable": False}},
        {"class_name": "BatchNormalization", "config": norm | {"name": "b"}},
    ]
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": layers}}
    outer = [
        {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 7, 6, 3]}},
        inner,
        {"class_name": "Flatten", "config": {"name": "flatten"}},
        {"class_name": "Dense", "config": {"name": "dense", "units": 5, "use_bias": False}},
    ]
    return {"class_name": "Sequential", "config": {"name": "outer", "layers": outer}}


def test_a_nested_model_by_order(tmp_path: Path) -> None:
    """Keras lists trained weights first, then all others, layer by layer."""
    roles = ("gamma", "beta", "moving_mean", "moving_variance")
    norms = {f"{x}/{role}": np.full(4, n + 1.0) for x in "ab" for n, role in enumerate(roles)}
    norms = {name: array + 10 * name.startswith("b") for name, array in norms.items()}
    trained = [*WEIGHTS["conv2d_1"], "b/gamma", "b/beta"]
    rest = [*(f"a/{role}" for role in roles), "b/moving_mean", "b/moving_variance"]
    given = {f"c/{role}": array for role, array in WEIGHTS["conv2d_1"].items()} | norms
    listed = {
        name.replace("a/", "x/"): given.get(name, given.get(f"c/{name}")) for name in trained + rest
    }
    listed = {name if "/" in name else f"c/{name}": array for name, array in listed.items()}
    other: Any = {"net": listed, "end": {"kernel": drawn(96, 5)}}
    file = write_weights(tmp_path / "only.h5", other)
    architecture = tmp_path / "model.json"
    architecture.write_text(json.dumps(nested()), encoding="utf-8")
    model, _ = interop.load_model(file, architecture=architecture)
    got = arrays_of(model)
    names = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "var"}
    for old, array in norms.items():
        layer, _, role = old.partition("/")
        np.testing.assert_array_equal(got[f"inner.{layer}/{names[role]}"], array)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            {"conv": WEIGHTS["conv2d_1"]},
            "has weights of 1 layers; the architecture has 2 with weights",
        ),
        (
            {"conv": WEIGHTS["conv2d_1"], "dense": {"kernel": drawn(96, 5)}},
            "its layer 'dense' has other weights than 'dense_1' of the architecture",
        ),
        (
            {"conv": WEIGHTS["conv2d_1"], "dense": {"kernel": drawn(5, 96), "bias": drawn(5)}},
            "dense_1: kernel: has shape (5, 96); expected (96, 5)",
        ),
    ],
)
def test_weights_of_another_architecture(
    layers: dict[str, dict[str, Array]], said: str, tmp_path: Path
) -> None:
    architecture = tmp_path / "model.json"
    architecture.write_text(json.dumps(functional()), encoding="utf-8")
    with pytest.raises(ValueError, match=r"only\.h5: ") as caught:
        interop.load_model(write_weights(tmp_path / "only.h5", layers), architecture=architecture)
    assert said in str(caught.value)


def test_an_architecture_is_for_weights_alone(tmp_path: Path) -> None:
    whole = write_h5(tmp_path / "whole.h5", functional())
    with pytest.raises(ValueError, match="has an architecture of its own"):
        interop.load_model(whole, architecture=tmp_path / "model.json")
    file = write_weights(tmp_path / "only.h5", WEIGHTS)
    (tmp_path / "model.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"architecture: model\.json: accepted: what model\.to_j"):
        interop.load_model(file, architecture=tmp_path / "model.json")


# --- into a model of jcnn -------------------------------------------------------------------------

SHAPE = (12, 11, 1)
MODEL = {
    name: {"kernel": drawn(*kernel), "bias": drawn(kernel[-1])}
    for name, kernel in (
        ("z_conv", (3, 3, 1, 8)),
        ("a_conv", (3, 3, 8, 8)),
        ("logits", (48, 3)),
    )
}


def filled() -> dict[str, dict[str, Array]]:
    """Weights for the zoo's `conv2pool`, by other names."""
    expected = arrays_of(build("conv2pool", SHAPE, 3))
    rng = np.random.default_rng(4)
    names = {"conv2d": "z_conv", "conv2d_1": "a_conv", "dense": "logits"}
    layers: dict[str, dict[str, Array]] = {new: {} for new in names.values()}
    for path in sorted(expected, reverse=True):  # kernels before biases
        layer, role = path.split("/")
        drawn = rng.normal(size=expected[path].shape).astype(np.float32)
        layers[names[layer]][role] = drawn
    return layers


FILLED = filled()
IN_JCNN = {"conv2d": "z_conv", "conv2d_1": "a_conv", "dense": "logits"}
BY_ORDER = "; layers are matched by their order"


def in_file(form: str, path: Path, layers: dict[str, dict[str, Array]]) -> Path:
    if form == "save_weights":
        return write_weights(path, layers)
    if form == "the zoo's names":
        back = {new: old for old, new in IN_JCNN.items()}
        return write_weights(path, {back[name]: arrays for name, arrays in layers.items()})
    if form == "whole":
        kinds = {"z_conv": "Conv2D", "a_conv": "Conv2D", "logits": "Dense"}
        listed: list[dict[str, Any]] = []
        for name in layers:
            kernel = layers[name]["kernel"].shape
            own = {
                "filters": kernel[-1],
                "kernel_size": kernel[:2],
                "strides": 1,
                "padding": "same",
            }
            own = own if len(kernel) == 4 else {"units": kernel[-1]}
            own = own | {"name": name, "batch_input_shape": [None, *SHAPE]}
            listed.append({"class_name": kinds[name], "config": own})
        return write_h5(path, {"class_name": "Sequential", "config": listed}, layers)
    back = {new: old for old, new in IN_JCNN.items()}
    return write_numbered(
        path,
        {
            f"layers/{back[name]}/vars/{number}": array
            for name, arrays in layers.items()
            for number, array in enumerate(arrays.values())
        }
        | {"optimizer/vars/0": np.asarray(3), "layers/dropout/seed_generator/vars/0": np.ones(2)},
    )


@pytest.mark.parametrize("form", ["save_weights", "the zoo's names", "whole", ".weights.h5"])
def test_keras_weights_in_a_model_of_the_zoo(form: str, tmp_path: Path) -> None:
    notes: list[Any] = []
    file = in_file(form, tmp_path / "keras.h5", FILLED)
    model = build("conv2pool", SHAPE, 3, weights=file, notify=notes.append)
    for path, array in arrays_of(model).items():
        layer, role = path.split("/")
        np.testing.assert_array_equal(array, FILLED[IN_JCNN[layer]][role])
    named = form in ("the zoo's names", ".weights.h5")
    said = f"weights: 6 arrays loaded{'' if named else BY_ORDER}"
    assert notes == [Note(said), Note(f"weights: {ASSUMED}")]


@pytest.mark.parametrize("form", ["save_weights", ".weights.h5"])
@pytest.mark.parametrize("missing", [False, True])
def test_another_head_is_made_anew_and_told(form: str, missing: bool, tmp_path: Path) -> None:
    layers = copy.deepcopy(FILLED)
    if missing:  # as in Keras's files without the top
        del layers["logits"]
    file = in_file(form, tmp_path / "keras.h5", layers)
    notes: list[Any] = []
    model = build("conv2pool", SHAPE, 3 if missing else 4, weights=file, notify=notes.append)
    got = arrays_of(model)
    assert not got["dense/kernel"].any()
    np.testing.assert_array_equal(got["conv2d_1/kernel"], FILLED["a_conv"]["kernel"])
    how = BY_ORDER if form == "save_weights" else ""
    said = f"weights: 4 arrays loaded; made anew: dense/kernel, dense/bias{how}"
    assert notes == [Note(said), Note(f"weights: {ASSUMED}")]


def test_weights_bring_the_preprocessing_of_their_file(tmp_path: Path) -> None:
    """Not that of PyTorch's weights for the same model."""
    config = functional()
    scale = {"name": "scale", "scale": 1 / 127.5, "offset": -1.0}
    layers = [
        {"class_name": "Rescaling", "config": scale | {"batch_input_shape": [None, 7, 6, 3]}},
        *(one for one in config["config"]["layers"] if one["class_name"] in ("Conv2D", "Flatten")),
    ]
    whole = write_h5(tmp_path / "w.h5", {"class_name": "Sequential", "config": layers})
    shape, standard = (8, 9, 3), ((0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
    own = weights_preprocessing(whole, standard, shape)
    np.testing.assert_allclose((own.mean, own.deviation), 0.5, rtol=1e-6)
    assert own.size == (8, 9)
    alone = write_weights(tmp_path / "alone.h5", WEIGHTS)
    own = weights_preprocessing(alone, standard, shape)
    assert (own.mean, own.deviation) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def without(layer: str, role: str | None = None) -> dict[str, dict[str, Array]]:
    layers = copy.deepcopy(FILLED)
    if role is None:
        del layers[layer]
    else:
        del layers[layer][role]
    return layers


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (without("a_conv"), "has 1 layers (kernel of 4 axes); the model has 2"),
        (
            without("a_conv", "bias"),
            "a_conv, which is conv2d_1 of the model, has no bias",
        ),
        (
            FILLED | {"more": FILLED["a_conv"]},
            "has 3 layers (kernel of 4 axes); the model has 2",
        ),
        (
            FILLED | {"norm": {"gamma": drawn(4)}},
            "has a layer 'norm' (normalisation of one image); the model has none",
        ),
        (
            FILLED | {"a_conv": FILLED["z_conv"]},
            "a_conv/kernel has shape",
        ),
        (
            FILLED | {"logits": {"kernel": FILLED["logits"]["kernel"].T, "bias": drawn(3)}},
            "logits/kernel has shape",
        ),
        (
            FILLED | {"logits": {"kernel": np.ones((3, 3), int), "bias": drawn(3)}},
            "dense/kernel has dtype int64; accepted: floats",
        ),
    ],
)
def test_nothing_is_silently_left_out(
    layers: dict[str, dict[str, Array]], said: str, tmp_path: Path
) -> None:
    model = build("conv2pool", SHAPE, 3)
    before = arrays_of(model)
    file = write_weights(tmp_path / "keras.h5", layers)
    with pytest.raises(ValueError, match=r"weights: .*keras\.h5: ") as caught:
        load_weights(model, file, name="conv2pool", input_shape=SHAPE)
    assert said in str(caught.value)
    for path, array in arrays_of(model).items():
        np.testing.assert_array_equal(array, before[path])
