"""The state of a Keras file's optimizer: each array where it belongs, or none and the reason."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.interop import load_model
from jcnn.interop.keras.model import read_keras
from jcnn.interop.keras.optimizer_read import Parameter, Stored, saved_optimizer
from jcnn.layers import frozen, train_mode
from jcnn.train.optimizer_state import restored
from jcnn.train.optimizers import optimizer
from tests.interop.keras_files import WEIGHTS, functional, numbered, write_h5, write_keras

Array = npt.NDArray[Any]
ROOT = Path(__file__).parents[2]
# Two layers with arrays of one shape, in an order that is not the alphabet's.
SHAPES = {"b/kernel": (2, 3), "b/bias": (3,), "a/kernel": (2, 3), "a/bias": (3,)}
PARAMETERS = [Parameter(f"net/{name}", name, shape) for name, shape in SHAPES.items()]
CONFIG: dict[str, Any] = {"learning_rate": 0.002, "beta_1": 0.8999999761581421}
ADAM = {"class_name": "Adam", "config": CONFIG}


def array(name: str, slot: str) -> Array:
    """Numbers that belong to a parameter and a slot."""
    seed = sum(map(ord, name + slot))
    return np.random.default_rng(seed).normal(size=SHAPES[name]).astype(np.float32)


def both(form: str, *, grouped: bool = True) -> list[tuple[str, Array]]:
    """Adam's arrays named by a form: `{p}` is the parameter, `{s}` the slot, `{n}` a number."""
    pairs = [(name, slot) for slot in "mv" for name in SHAPES]
    if not grouped:
        pairs = [(name, slot) for name in SHAPES for slot in "mv"]
    new = {"m": "momentum", "v": "velocity"}
    return [
        (form.format(p=name, q=name.replace("/", "_"), s=slot, k=new[slot], n=n), array(name, slot))
        for n, (name, slot) in enumerate(pairs)
    ]


COUNT: Array = np.asarray(7, np.int64)
RATE: Array = np.asarray(0.5, np.float32)
DIALECTS: dict[str, list[tuple[str, Array]]] = {
    "Keras 3": [
        *(("adam/iteration", COUNT), ("adam/learning_rate", RATE)),
        *both("adam/{q}_{k}", grouped=False),
    ],
    "by name, in any order": [("adam/iteration", COUNT), *reversed(both("adam/{q}_{k}"))],
    "tf.keras 2.15": [("iteration:0", COUNT), *both("Adam/{s}/{p}:0", grouped=False)],
    "tf.keras 2.4": [("Adam/iter:0", COUNT), *both("Adam/{p}/{s}:0")],
    "tf.keras 2.0": [("training/Adam/iter:0", COUNT), *both("training/Adam/{p}/{s}:0")],
    "Keras 2.3": [("training/Adam/iterations:0", COUNT), *both("training/Adam/x_{n}:0")],
    "Keras 2.2": [
        *(("Adam/iterations:0", COUNT), *both("training/Adam/Variable_{n}:0")),
        *((f"training/Adam/Variable_{n}:0", np.zeros(1, np.float32)) for n in range(8, 12)),
    ],
    ".keras of Keras 3": [
        (str(n), one)
        for n, (_, one) in enumerate([("", COUNT), ("", RATE), *both("", grouped=False)])
    ],
    ".keras of tf.keras 2.15": [
        (str(n), one) for n, (_, one) in enumerate([("", COUNT), *both("", grouped=False)])
    ],
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_array_is_found_in_every_dialect(dialect: str) -> None:
    found, note = saved_optimizer(Stored(ADAM, DIALECTS[dialect]), PARAMETERS)
    assert found is not None, note
    assert (note, found.updates) == ("", 7)
    assert dict(found.settings) == {"optimizer": "adam", "learning_rate": 0.002}
    for role, slot in (("mean", "m"), ("square", "v")):
        assert set(found.slots[role]) == {f"net/{name}" for name in SHAPES}
        for name in SHAPES:
            np.testing.assert_array_equal(found.slots[role][f"net/{name}"], array(name, slot))


def changed(**settings: Any) -> dict[str, Any]:
    return {"class_name": "Adam", "config": CONFIG | settings}


SCHEDULE = {"module": "keras.optimizers.schedules", "class_name": "CosineDecay", "config": {}}
KERAS_3 = DIALECTS["Keras 3"]
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "a constant": (changed(beta_1=0.95), KERAS_3, "Adam: beta_1 is 0.95; jcnn's is 0.9"),
    "an epsilon": (changed(epsilon=1e-8), KERAS_3, "Adam: epsilon is 1e-08; jcnn's is 1e-07"),
    "amsgrad": (changed(amsgrad=True), KERAS_3, "Adam: amsgrad is True; accepted: none"),
    "an average": (changed(use_ema=True), KERAS_3, "Adam: use_ema is True"),
    "a schedule": (
        changed(learning_rate=SCHEDULE),
        KERAS_3,
        "Adam: the learning rate is a CosineDecay",
    ),
    "no rate": (changed(learning_rate=-1), KERAS_3, "Adam: the learning rate is -1.0"),
    "a falling rate": (changed(decay=0.1), KERAS_3, "Adam: decay is 0.1"),
    "two clips": (
        changed(clipnorm=1, clipvalue=1),
        KERAS_3,
        "Adam: gradients are clipped in 2 ways",
    ),
    "another class": ({"class_name": "Ftrl", "config": {}}, [], "jcnn has no Ftrl"),
    "a user's class": (
        {"module": "my", "class_name": "Adam", "config": {}},
        [],
        "jcnn has no my.Adam",
    ),
    "a momentum": (
        {"class_name": "SGD", "config": {"momentum": 0.8}},
        [],
        "SGD: momentum is 0.8; jcnn's is 0.9",
    ),
    "old arithmetic": (
        {"class_name": "RMSprop", "config": {"lr": 0.001, "decay": 0.0}},
        [],
        "RMSprop of Keras before 2.11 computes other updates than jcnn's",
    ),
    "Nadam of Keras 2": (
        {"class_name": "Custom>Nadam", "config": CONFIG},
        KERAS_3,
        "Nadam of Keras 2 computes other updates than jcnn's",
    ),
    "no state": (ADAM, KERAS_3[:1], "the file has no state of it"),
    "an array is missing": (ADAM, KERAS_3[:-1], "the file has no velocity of net/a/bias"),
    "a number is missing": (
        ADAM,
        DIALECTS[".keras of Keras 3"][:-1],
        "it has 7 arrays; expected 8",
    ),
    "an array is left": (
        ADAM,
        [*KERAS_3, ("adam/c_kernel_momentum", array("b/bias", "m"))],
        "'adam/c_kernel_momentum' belongs to no trained parameter",
    ),
    "another shape": (
        ADAM,
        [*KERAS_3[:2], ("adam/b_kernel_momentum", np.zeros((3, 2), np.float32)), *KERAS_3[3:]],
        "momentum of net/b/kernel has shape (3, 2); expected (2, 3)",
    ),
    "no count": (ADAM, KERAS_3[1:], "the file has no number of updates"),
    "no settings": ({"class_name": "Adam"}, KERAS_3, "its settings are wrong: KeyError('config')"),
    "numbers as settings": (3, KERAS_3, "its settings are wrong: TypeError("),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_jcnn_has_not_is_a_note(name: str) -> None:
    given, arrays, said = REFUSED[name]
    version = "2.15.0" if name == "Nadam of Keras 2" else "3.15.1"
    found, note = saved_optimizer(Stored(given, arrays, version), PARAMETERS)
    assert found is None
    start = "the optimizer is not read, and a training starts with a new one: "
    assert note.startswith(start + said)
    assert "\n" not in note


@pytest.mark.parametrize(
    ("given", "version", "expected"),
    [
        ("sgd", "2.15.0", {"optimizer": "sgd", "learning_rate": 0.01}),
        (
            {
                "class_name": "Custom>SGD",
                "config": {"learning_rate": 0.1, "momentum": 0, "clipnorm": 2.0},
            },
            "2.13.1",
            {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": 2.0},
        ),
        (  # it clipped all gradients together
            {"class_name": "SGD", "config": {"lr": 0.1, "decay": 0.0, "clipnorm": 2.0}},
            "2.2.4",
            {"optimizer": "sgd", "learning_rate": 0.1, "global_clip_norm": 2.0},
        ),
        (
            {"class_name": "SGD", "config": {"learning_rate": 0.1, "clipnorm": 2.0}},
            "2.2.4-tf",
            {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": 2.0},
        ),
        (
            {"class_name": "SGD", "config": {"learning_rate": 0.1, "weight_decay": 0.5}},
            "3.0.0",
            {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.5},
        ),
    ],
)
def test_settings(given: Any, version: str, expected: dict[str, Any]) -> None:
    found, note = saved_optimizer(Stored(given, [("0", COUNT)], version), PARAMETERS)
    assert found is not None, note
    assert dict(found.settings) == expected
    TrainConfig(**found.settings)


def test_a_file_of_each_kind(tmp_path: Path) -> None:
    """The arrays of a frozen layer do not shift those after it."""
    config = functional()
    config["config"]["layers"][1]["config"] = config["config"]["layers"][1]["config"] | {
        "trainable": False
    }
    slots: dict[str, Array]
    slots = {role: np.full_like(one, 2) for role, one in WEIGHTS["dense_1"].items()}
    names = {f"Adam/dense_1/{role}/{s}:0": one for s in "mv" for role, one in slots.items()}
    arrays = {"Adam/iter:0": COUNT, **names}
    old = write_h5(tmp_path / "old.h5", config, optimizer=(ADAM, arrays))
    inner = [COUNT, RATE, *(one for one in slots.values() for _ in "mv")]
    places = {f"optimizer/vars/{n}": one for n, one in enumerate(inner)}
    new = write_keras(
        tmp_path / "new.keras",
        config | {"compile_config": {"optimizer": ADAM, "loss": "mse"}},
        numbered() | places,
    )
    for file in (old, new):
        found = read_keras(file)
        assert found.optimizer is not None, found.notes
        assert found.optimizer.updates == 7
        assert found.optimizer.settings["freeze"] == found.frozen == ("conv2d_1",)
        for role in ("mean", "square"):
            got = found.optimizer.slots[role]
            assert {name: one.shape for name, one in got.items()} == {
                "dense_1/kernel": (96, 5),
                "dense_1/bias": (5,),
            }


# --- the real Keras -------------------------------------------------------------------------------


def gradients_of(model: nnx.Module, x: Array, y: Array) -> Any:
    def loss(model: Any) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(model(jnp.asarray(x)), y).mean()

    return nnx.grad(loss)(train_mode(model))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_one_more_update_is_keras_s(suffix: str, tmp_path: Path) -> None:
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "tests.interop.keras_written", str(tmp_path), suffix]
    subprocess.run(
        [*command, "training"], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    files = sorted(tmp_path.glob(f"*{suffix}"))
    assert len(files) == 11
    for file in files:
        model: Any
        model, meta = load_model(file, input_shape=(6, 5, 2))
        saved = meta.optimizer
        assert saved is not None, (file.name, meta.notes)
        assert saved.settings["optimizer"] == file.stem
        after = dict(np.load(file.with_suffix(".npz")))
        config = TrainConfig(**saved.settings)
        assert config.freeze == meta.frozen == ("frozen",)
        rate = jnp.float32(config.learning_rate)
        with frozen([model], config.freeze, (6, 5, 2)):
            params = nnx.state(model, nnx.Param)
            state = restored(optimizer(config).init(params), saved)
            gradients = gradients_of(model, after["x"], after["y"])
            updates, _ = optimizer(config).update(gradients, state, params, learning_rate=rate)
            new = nnx.to_flat_state(jax.tree.map(jnp.add, params, updates))
        for path, variable in new:
            name = "/".join(map(str, path)).replace("scale", "gamma")
            name = name.replace("norm/bias", "norm/beta")
            np.testing.assert_allclose(
                variable[...], after[name], rtol=0, atol=1e-6, err_msg=f"{file.name} {name}"
            )
