"""Keras's files, written without Keras: read again, and by the real Keras."""

import importlib
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np
import pytest
from flax import nnx

from jcnn import layers, ops, runs
from jcnn.config import Optimizer, TrainConfig
from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.graph.build import KINDS
from jcnn.interop import load_model, save_model
from jcnn.interop.imported import SavedOptimizer
from jcnn.interop.keras.optimizer import CLASSES, SLOTS, WEIGHT_DECAY
from jcnn.interop.keras.save import WrittenModel, h5_bytes
from jcnn.interop.keras.write import WRITERS
from jcnn.interop.keras.written import WrittenLayer
from jcnn.layers import eval_mode
from jcnn.system.hdf5 import read_hdf5
from jcnn.train import optimizers, predict
from tests.interop.keras_exports import SMALL, ZOO, Net, chain, drawn, settled
from tests.interop.keras_steps import Training

h5py: Any = importlib.import_module("h5py")  # it has no types
ROOT = Path(__file__).parents[2]
OWN = Preprocessing((7, 8), "crop", "rgb", (0.1, 0.4, 0.6), (0.5, 0.25, 2.0))


def images(shape: tuple[int, ...], count: int = 3) -> np.ndarray:
    return np.random.default_rng(count).normal(0, 2, (count, *shape)).astype(np.float32)


def names(count: int) -> list[str]:
    return [f"class {number} ü" for number in range(count)]


def save(
    model: nnx.Module, path: Path, shape: tuple[int, int, int], classes: int = 3, **how: Any
) -> Path:
    file, _ = save_model(model, path, input_shape=shape, class_names=names(classes), **how)
    return file


def config_of(file: Path) -> Any:
    return json.loads(zipfile.ZipFile(file).read("config.json"))


def arrays_of(model: nnx.Module) -> list[bytes]:
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    return sorted(np.asarray(one[...]).tobytes() for _, one in nnx.to_flat_state(state))


def small(rows: int = 7, columns: int = 8) -> nnx.Module:
    rngs = nnx.Rngs(0)
    made = [
        layers.Conv2D(3, 2, 3, stride=2, padding=1, activation=ops.relu, rngs=rngs),
        layers.Flatten(),
        layers.Dense(2 * (-(-rows // 2)) * (-(-columns // 2)), 3, rngs=rngs),
    ]
    return drawn(layers.Sequential(made))


# --- read again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_every_kind_comes_back(name: str, tmp_path: Path) -> None:
    make, shape = SMALL[name]
    model = drawn(make())
    x = images(shape)
    want = np.asarray(jax.jit(eval_mode(model))(x))
    assert np.abs(want - want.mean(0)).max() > 0.003  # the images matter
    for suffix in (".keras", ".h5"):
        file = save(model, tmp_path / f"net{suffix}", shape, want.shape[-1])
        again, meta = load_model(file)
        assert (meta.class_names, meta.notes) == (tuple(names(want.shape[-1])), ())
        assert (meta.preprocessing, meta.input_shape) == (None, shape)
        got = np.asarray(jax.jit(eval_mode(again))(x))
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)
        if name != "functions":  # which has constants, and a factor of another shape
            assert arrays_of(again) == arrays_of(model)
            second = save(again, tmp_path / f"again{suffix}", shape, want.shape[-1])
            assert second.read_bytes() == file.read_bytes()


def test_constants_stay_constants_in_a_run(tmp_path: Path) -> None:
    """A run folder knows arrays by their paths."""
    make, shape = SMALL["functions"]
    model, _ = load_model(save(drawn(make()), tmp_path / "a.keras", shape))
    runs.save(model, tmp_path / "run", class_names=tuple(names(3)), input_shape=shape)
    loaded, _ = runs.load(tmp_path / "run")
    assert arrays_of(loaded) == arrays_of(model)
    assert len(arrays_of(model)) == 9  # four layers with two each, and a factor
    second = save(model, tmp_path / "b.keras", shape).read_bytes()
    assert save(loaded, tmp_path / "c.keras", shape).read_bytes() == second


def test_every_kind_has_a_layer_or_is_refused_by_name() -> None:
    handled = {*WRITERS, "max_pool", "average_pool"}
    assert set(KINDS) - handled == {"flax_conv_transpose"}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_preprocessing_comes_back(suffix: str, tmp_path: Path) -> None:
    model = small()
    pixels = np.random.default_rng(2).integers(0, 256, (4, 7, 8, 3), np.uint8)
    set_preprocessing(model, OWN)
    want = predict(model, pixels)
    for inside in (False, True):
        file = save(model, tmp_path / f"net{suffix}", (7, 8, 3), with_preprocessing=inside)
        again, meta = load_model(file)
        assert meta.preprocessing == OWN
        assert any("softmax: left out" in note for note in meta.notes) is inside
        np.testing.assert_allclose(predict(again, pixels), want, rtol=0, atol=2e-5)
        assert arrays_of(again) == arrays_of(model)


def test_a_file_that_somebody_changed_is_read_as_it_is(tmp_path: Path) -> None:
    """Its first layers count, not what jcnn wrote of them."""
    file = save(
        small(), tmp_path / "net.keras", (7, 8, 3), preprocessing=OWN, with_preprocessing=True
    )
    config = config_of(file)
    config["config"]["layers"][1]["config"] |= {"scale": 1 / 127.5, "offset": -1.0}
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (entries | {"config.json": json.dumps(config).encode()}).items():
            archive.writestr(name, content)
    own = load_model(file)[1].preprocessing
    assert own is not None
    np.testing.assert_allclose((own.mean, own.deviation), 0.5, rtol=1e-6)


# --- what is in a file ----------------------------------------------------------------------------


def test_settings_are_those_of_keras(tmp_path: Path) -> None:
    file = save(drawn(chain()), tmp_path / "net.keras", (7, 8, 2), 4)
    config = config_of(file)
    assert (config["class_name"], config["module"]) == ("Sequential", "keras")
    found = [(one["class_name"], one["config"]["name"]) for one in config["config"]["layers"]]
    assert found == [
        ("InputLayer", "input_layer"),
        ("Conv2D", "conv2d"),
        ("MaxPooling2D", "max_pooling2d"),
        ("Conv2D", "conv2d_1"),
        ("BatchNormalization", "batch_normalization"),
        ("ReLU", "activation"),
        ("Dropout", "dropout"),
        ("Flatten", "flatten"),
        ("Dense", "dense"),
        ("Dense", "dense_1"),
    ]
    first, last = config["config"]["layers"][1]["config"], config["config"]["layers"][-1]["config"]
    assert (first["activation"], first["padding"], first["kernel_size"]) == ("relu", "same", [3, 2])
    assert (last["activation"], last["units"], config["compile_config"]) == ("linear", 4, None)
    file = save(drawn(chain()), tmp_path / "net.keras", (7, 8, 2), 4, with_preprocessing=True)
    layers_with = config_of(file)["config"]["layers"]
    scaling = {"scale": 1 / 255, "offset": 0.0}
    assert layers_with[1]["config"] == scaling | {"name": "rescaling", "dtype": "float32"}
    assert layers_with[-1]["config"]["activation"] == "softmax"


def test_layers_are_numbered_in_kerass_order(tmp_path: Path) -> None:
    """Of two branches, the longer comes first, whatever the order of their computation."""

    def call(self: Any, x: jax.Array) -> Any:
        return self.head(ops.flatten(self.short(x) + self.long2(self.long1(x))))

    rngs = nnx.Rngs(0)
    parts = {name: layers.Conv2D(2, 2, 1, rngs=rngs) for name in ("short", "long1", "long2")}
    model = drawn(Net(call, **parts, head=layers.Dense(40, 3, rngs=rngs)))
    file = save(model, tmp_path / "net.keras", (4, 5, 2))
    found = [one["config"]["name"] for one in config_of(file)["config"]["layers"]]
    assert found == ["input_layer", "long1", "short", "long2", "add", "add_flatten", "head"]
    content = zipfile.ZipFile(file).read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as opened:
        groups = {opened[f"layers/{one}/vars"].attrs["name"]: one for one in opened["layers"]}
    assert groups["long1"] == "conv2d"
    assert groups["short"] == "conv2d_1"
    assert groups["long2"] == "conv2d_2"


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_the_same_model_is_the_same_file(suffix: str, tmp_path: Path) -> None:
    first = save(small(), tmp_path / f"a{suffix}", (7, 8, 3)).read_bytes()
    assert save(small(), tmp_path / f"b{suffix}", (7, 8, 3)).read_bytes() == first
    for private in (str(ROOT), str(Path.home()), str(tmp_path)):
        assert private.encode() not in first


def test_weights_alone(tmp_path: Path) -> None:
    model: Any = small()
    file = save(model, tmp_path / "net.weights.h5", (7, 8, 3))
    with h5py.File(file) as opened:
        kernel = opened["layers/conv2d/vars/0"][...]
        assert list(opened["layers/dense/vars"]) == ["0", "1"]
    np.testing.assert_array_equal(kernel, model.conv2d.kernel[...])
    about = json.loads((tmp_path / "net.weights.h5.json").read_text(encoding="utf-8"))
    assert about["class_names"] == names(3)
    assert "input" not in about


def test_many_names_are_split(tmp_path: Path) -> None:
    """An attribute of HDF5 has at most 64 KiB."""
    many = [f"one_of_many_layers_with_a_long_name_{number}" for number in range(2000)]
    made = [WrittenLayer(name, "ReLU", (), (3,), {"name": name}) for name in many]
    file = tmp_path / "net.h5"
    file.write_bytes(h5_bytes(WrittenModel(made, {}, probabilities=False, optimizer=None)))
    tree = read_hdf5(file, ("model_weights",), 2**20)
    assert tree.texts("/model_weights", "layer_names") == many
    assert "layer_names" not in tree.attributes["/model_weights"]


# --- refusals -------------------------------------------------------------------------------------


def refused(call: Any, reason: str, tmp_path: Path, **parts: Any) -> None:
    model = Net(lambda self, x: self.head(call(self, x).mean((1, 2))), **parts)
    with pytest.raises(ValueError, match=reason) as caught:
        save(model, tmp_path / "net.keras", (6, 7, 2), 3)
    assert len(str(caught.value).splitlines()) == 1


def test_what_keras_has_no_layer_for_is_refused_by_name(tmp_path: Path) -> None:
    rngs = nnx.Rngs(0)
    head = layers.Dense(2, 3, rngs=rngs)
    conv, flax = layers.Conv2D(2, 2, 1, rngs=rngs), nnx.ConvTranspose(2, 2, (3, 3), rngs=rngs)
    how: dict[str, Any] = {"tmp_path": tmp_path, "head": head}

    def up(**settings: Any) -> nnx.Module:
        return layers.Conv2DTranspose(2, 2, 3, **settings, rngs=rngs)

    def one(self: Any, x: jax.Array) -> Any:
        return self.one(x)

    def wide(self: Any, x: jax.Array) -> jax.Array:
        return ops.avg_pool2d(x, 3, stride=1, padding=2)

    refused(lambda self, x: self.one(self.one(x)), "has the parameters of 'one'", one=conv, **how)
    refused(one, "'one': is of kind flax_conv_transpose, which Keras", one=flax, **how)
    refused(one, "'one': groups: got 2; accepted by Keras: 1", one=up(groups=2), **how)
    both = up(stride=2, dilation=2)
    refused(one, r"'one': dilation: got \(2, 2\) with a stride", one=both, **how)
    beyond = up(stride=3, padding="VALID", output_padding=2)
    refused(one, r"'one': output_padding: got .*: no cells beyond", one=beyond, **how)
    refused(wide, "'input average_pool': padding: .* at most half of the window", **how)
    assert list(tmp_path.iterdir()) == []


def test_other_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, shape = small(), (7, 8, 3)
    with pytest.raises(ValueError, match="class_names: got 2 for 3 classes"):
        save(model, tmp_path / "net.keras", shape, 2)
    with pytest.raises(ValueError, match=r"with_preprocessing: net\.weights\.h5 holds parameters"):
        save(model, tmp_path / "net.weights.h5", shape, with_preprocessing=True)
    bgr = replace(OWN, channels="bgr")
    with pytest.raises(ValueError, match="with_preprocessing: the model takes blue, green, red"):
        save(model, tmp_path / "net.h5", shape, preprocessing=bgr, with_preprocessing=True)
    assert (
        load_model(save(model, tmp_path / "a.h5", shape, preprocessing=bgr))[1].preprocessing == bgr
    )
    with pytest.raises(ValueError, match=r"did you mean .\.keras"):
        save(model, tmp_path / "net.kears", shape)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"net\.keras needs h5py: pip install 'jcnn\[keras\]'"):
        save(model, tmp_path / "net.keras", shape)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.h5", "a.h5.json"]


def test_what_jcnn_wrote_of_a_model_is_checked(tmp_path: Path) -> None:
    file = save(small(), tmp_path / "net.h5", (7, 8, 3))
    wrong = {
        "its part of jcnn is no JSON object": "[]",
        "its class_names are no list of texts": '{"class_names": [1]}',
        "has 1 class names for 3 classes": json.dumps(
            {"class_names": ["a"], "preprocessing": None, "with_preprocessing": True}
        ),
        "preprocessing: size is missing": json.dumps(
            {"class_names": [], "preprocessing": {}, "with_preprocessing": True}
        ),
    }
    for reason, text in wrong.items():
        with h5py.File(file, "a") as opened:
            opened.attrs["jcnn"] = text
        with pytest.raises(ValueError, match=reason) as caught:
            load_model(file)
        assert len(str(caught.value).splitlines()) == 1


# --- optimizers -----------------------------------------------------------------------------------


def test_constants_are_those_of_jcnn() -> None:
    constants = {name: config for name, (_, config) in CLASSES.items()}
    for name in ("adam", "adamw", "nadam"):
        assert constants[name]["beta_1"] == optimizers.BETA_1
        assert constants[name]["beta_2"] == optimizers.BETA_2
    assert {one["epsilon"] for one in constants.values() if "epsilon" in one} == {
        optimizers.EPSILON
    }
    assert constants["momentum"]["momentum"] == optimizers.MOMENTUM
    assert constants["muon"]["momentum"] == optimizers.MUON_MOMENTUM
    assert constants["muon"]["rms_rate"] == optimizers.MUON_SCALE
    assert WEIGHT_DECAY == optimizers.WEIGHT_DECAY
    assert set(SLOTS) == set(CLASSES) == set(get_args(Optimizer))


def trained(name: Any, *, frozen: str = "none", rate: float = 3e-3, **settings: Any) -> Training:
    """A training after two updates; Keras's Muon updates dense layers alone."""
    make, shape = (dense, (4, 3, 2)) if name == "muon" else SMALL["branches"]
    labels = np.array([0, 2, 1, 2, 0])
    config = TrainConfig(optimizer=name, learning_rate=rate, **settings)
    made = Training(drawn(make()), config, images(shape, 5), labels, frozen)
    made.update()
    made.update()
    return made


def invented(model: nnx.Module, name: str, **settings: Any) -> SavedOptimizer:
    """A state of an optimizer with random arrays."""
    state = nnx.to_flat_state(nnx.state(model, nnx.Param))
    rng = np.random.default_rng(7)
    slots = {
        role: {
            "/".join(map(str, path)): rng.normal(0, 1, one[...].shape).astype(np.float32)
            for path, one in state
        }
        for role, _ in SLOTS[name]
    }
    return SavedOptimizer({"optimizer": name, "learning_rate": 3e-3, **settings}, 2, slots)


def dense() -> nnx.Module:
    rngs = nnx.Rngs(0)
    made = [layers.Flatten(), layers.Dense(24, 7, activation=ops.tanh, rngs=rngs)]
    return layers.Sequential([*made, layers.Dense(7, 5, rngs=rngs)])


def test_the_state_of_an_optimizer_is_written_in_kerass_order(tmp_path: Path) -> None:
    make, shape = SMALL["branches"]
    model = drawn(make())
    saved = invented(model, "adam")
    for suffix in (".keras", ".h5"):
        save(model, tmp_path / f"net{suffix}", shape, 5, optimizer=saved)
    with h5py.File(tmp_path / "net.h5") as file:
        found = [str(one, "utf-8") for one in file["optimizer_weights"].attrs["weight_names"]]
        mean = file["optimizer_weights/adam/a_kernel_momentum"][...]
        assert int(file["optimizer_weights/adam/iteration"][()]) == 2
        config = json.loads(file.attrs["training_config"])["optimizer_config"]
    expected = ["iteration", "learning_rate", "a_kernel_momentum", "a_kernel_velocity"]
    assert found[:4] == [f"adam/{one}" for one in expected]
    assert found[-1] == "adam/head_bias_velocity"
    np.testing.assert_array_equal(mean, saved.slots["mean"]["a/kernel"])
    assert (config["class_name"], config["config"]["learning_rate"]) == ("Adam", 3e-3)
    content = zipfile.ZipFile(tmp_path / "net.keras").read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as file:
        assert len(file["optimizer/vars"]) == len(found)
        np.testing.assert_array_equal(file["optimizer/vars/2"][...], mean)


def test_what_no_optimizer_of_keras_does_is_told(tmp_path: Path) -> None:
    model, file = small(), tmp_path / "net.keras"

    def notes(saved: SavedOptimizer) -> Any:
        save(model, file, (7, 8, 3), optimizer=saved)
        return json.loads((tmp_path / "net.keras.json").read_text(encoding="utf-8")).get("notes")

    assert notes(invented(model, "adam")) is None
    (told,) = notes(invented(model, "muon"))
    assert told == "optimizer: left out, since Keras's Muon updates conv2d/kernel as Adam does"
    assert config_of(file)["compile_config"] is None
    (told,) = notes(invented(model, "adamw", weight_decay_mask="kernels"))
    assert told.startswith("weight_decay_mask: Keras's files cannot say 'kernels'")


def test_a_state_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    model, file = small(), tmp_path / "net.keras"
    saved = invented(model, "momentum")
    velocity = dict(saved.slots["velocity"])
    wrong: dict[str, Any] = {
        "has no 'velocity' of dense/bias": {**velocity, "dense/bias": None},
        "'velocity' of dense/bias has shape": {**velocity, "dense/bias": np.zeros(4)},
        "'velocity' of odd/kernel: is no": {**velocity, "odd/kernel": np.zeros(3)},
    }
    for reason, slots in wrong.items():
        given = {path: array for path, array in slots.items() if array is not None}
        with pytest.raises(ValueError, match=f"optimizer: {reason}"):
            save(model, file, (7, 8, 3), optimizer=replace(saved, slots={"velocity": given}))
    with pytest.raises(ValueError, match="optimizer: got 'odd'; accepted: adam"):
        settings = {"optimizer": "odd", "learning_rate": 1.0}
        save(model, file, (7, 8, 3), optimizer=replace(saved, settings=settings))
    assert not file.exists()


# --- the real Keras -------------------------------------------------------------------------------


def in_keras(folder: Path) -> None:
    """Run the files of a folder in a process of their own, without jcnn."""
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    command = [sys.executable, "-P", str(ROOT / "tests/interop/keras_read.py"), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_keras_gives_the_same_predictions(tmp_path: Path) -> None:
    wanted: dict[Path, np.ndarray] = {}
    for name, (make, shape) in (SMALL | ZOO).items():
        model = settled(make(), shape) if name in ZOO else drawn(make())
        x = images(shape)
        want = np.asarray(jax.jit(eval_mode(model))(x))
        assert np.abs(want - want.mean(0)).max() > 0.01, name
        for suffix in (".keras", ".h5", ".weights.h5"):
            file = save(model, tmp_path / f"{name}{suffix}", shape, want.shape[-1])
            np.savez(f"{file}.npz", x=x)
            wanted[file] = want
    model = small()
    pixels = np.random.default_rng(2).integers(0, 256, (4, 7, 8, 3), np.uint8)
    set_preprocessing(model, OWN)
    for suffix in (".keras", ".h5"):
        file = save(model, tmp_path / f"images{suffix}", (7, 8, 3), with_preprocessing=True)
        np.savez(f"{file}.npz", x=pixels)
        wanted[file] = predict(model, pixels)
    in_keras(tmp_path)
    for file, want in wanted.items():
        made = np.load(f"{file}.out.npz")
        far = np.abs(made["y"] - want).max()
        assert far <= 2e-5 * max(1.0, float(np.abs(want).max())), (file.name, far)
        about = json.loads(str(made["about"]))
        assert about["output_shape"] == [None, want.shape[-1]]
    about = json.loads(str(np.load(tmp_path / "branches.keras.out.npz")["about"]))
    assert about["class"] == "Functional"
    assert ["Conv2D", "gate"] in about["layers"]


_NAMES = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "var"}


@pytest.mark.slow
def test_the_next_step_in_keras_is_jcnns(tmp_path: Path) -> None:
    cases: dict[str, dict[str, Any]] = {name: {"name": name} for name in SLOTS}
    cases["adadelta"]["rate"] = 1.0
    cases["clipped"] = {"name": "adam", "global_clip_norm": 0.1, "weight_decay": 0.05}
    cases["accumulated"] = {"name": "nadam", "accumulate_steps": 3}
    cases["frozen"] = {"name": "adam", "frozen": "a/"}
    made: dict[Path, Training] = {}
    for case, how in cases.items():
        for suffix in (".keras", ".h5"):
            training = trained(**how)
            file = tmp_path / f"{case}{suffix}"
            shape = training.x.shape[1:]
            save(training.model, file, shape, 5, optimizer=training.saved())
            steps = training.config.accumulate_steps
            np.savez(f"{file}.npz", x=training.x, labels=training.labels, steps=steps)
            made[file] = training
    in_keras(tmp_path)
    for file, training in made.items():
        before = training.arrays()
        training.update()
        after, found = training.arrays(), np.load(f"{file}.out.npz")
        about = json.loads(str(found["about"]))
        assert about["iterations"] == 2, file.name
        assert about["optimizer"] == CLASSES[training.config.optimizer][0]
        assert about["learning_rate"] == np.float32(training.config.learning_rate)
        assert about.get("names", True), file.name
        compared = 0
        for path in found.files:
            layer, _, role = path.removeprefix("sequential/").rpartition("/")
            # Three batches for one update change the statistics three times.
            if layer and not ("moving" in role and training.config.accumulate_steps > 1):
                own = f"{layer}/{_NAMES.get(role, role)}"
                np.testing.assert_allclose(
                    found[path], after[own], rtol=0, atol=1e-6, err_msg=f"{file.name} {path}"
                )
                compared += bool(np.abs(after[own] - before[own]).max() > 1e-5)
        assert compared >= (4 if training.config.optimizer == "muon" else 8), file.name
