"""Run folders of Python objects: those of `fit`, and models that are saved without a training."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import checkpoint, runs
from jcnn.config import TrainConfig
from jcnn.data.polarity import training_border
from jcnn.data.preprocessing import Preprocessing
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.models import build
from jcnn.runs import RunConfig, RunError
from jcnn.train import fit, predict
from tests.train.small import PlainNet, arrays, assert_same_bits, dataset, model

SHAPE, NAMES = (2, 3, 2), ("a", "b", "c")
TEXT = """
from jcnn.layers import Dense, Flatten


def small(input_shape, classes, *, rngs):
    return [Flatten(), Dense(12, classes, rngs=rngs)]
"""


# --- an object of a Python program ----------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nnx.Module]:
    run, trained = tmp_path_factory.mktemp("fitted") / "run", PlainNet(nnx.Rngs(0))
    fit(trained, dataset(), TrainConfig(epochs=1, batch_size=25), run=run, verbose=0)
    return run, trained


def test_fit_leaves_a_folder_that_a_new_model_is_filled_from(
    fitted: tuple[Path, nnx.Module],
) -> None:
    run, trained = fitted
    fresh = PlainNet(nnx.Rngs(1))
    loaded, config = runs.load(run, model=fresh)
    assert loaded is fresh
    assert_same_bits(fresh, trained)
    images = dataset(seed=5).images
    np.testing.assert_array_equal(
        predict(fresh, np.asarray(images)), predict(trained, np.asarray(images))
    )
    assert config == RunConfig(
        "tests.train.small.PlainNet",
        (6, 5, 2),
        ("class 0", "class 1", "class 2"),
        "",
        None,
        TrainConfig(epochs=1, batch_size=25),
        model_from="python",
        border=training_border(dataset()),
    )
    assert config.border is not None
    content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert content["data"] is None
    assert content["versions"]["jax"] == jax.__version__


def test_without_a_model_the_folders_graph_is_built(fitted: tuple[Path, nnx.Module]) -> None:
    run, trained = fitted
    loaded, config = runs.load(run)
    assert type(loaded).__name__ == "GraphModel"
    images = np.asarray(dataset(seed=5).images)
    np.testing.assert_array_equal(predict(loaded, images), predict(trained, images))
    assert config.model == "tests.train.small.PlainNet"


def test_a_damaged_graph_is_one_line(fitted: tuple[Path, nnx.Module], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(fitted[0], run)
    file = run / "graph.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for text, said in (
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        (json.dumps(content | {"input_shape": [9, 9, 2]}), "graph: "),
        (json.dumps(content).replace('"head/bias"', '"head/b"'), "there is no array 'head/b'"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match=re.escape(str(file))) as caught:
            runs.load(run)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


class Strange(nnx.Module):
    """It computes what no graph can say."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.head = nnx.Linear(60, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Sort the numbers of each image first."""
        return self.head(jnp.sort(x.reshape(len(x), -1)))


def test_without_a_model_or_a_graph_the_folder_says_what_is_missing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    runs.save(Strange(nnx.Rngs(0)), run, class_names=NAMES, input_shape=(6, 5, 2))
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "config.json"]
    for trust in (False, True):
        with pytest.raises(RunError) as caught:
            runs.load(run, trust=trust)
        assert str(caught.value) == (
            f"{run}: its model is a Python object (tests.runs.test_models.Strange) whose graph is "
            "not known; name what builds it: --model FILE.py:NAME, or in Python load(run, "
            "model=...)"
        )


class WiderNet(PlainNet):
    """`PlainNet` with another head and one more layer."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        super().__init__(rngs)
        self.head = nnx.Linear(120, 4, rngs=rngs)
        self.more = nnx.Linear(2, 2, rngs=rngs)


def test_a_model_of_other_arrays_is_refused_by_their_names(
    fitted: tuple[Path, nnx.Module],
) -> None:
    run, _ = fitted
    other = WiderNet(nnx.Rngs(1))
    before = arrays(other)
    with pytest.raises(checkpoint.CheckpointError) as caught:
        runs.load(run, model=other)
    said = str(caught.value)
    for difference in (
        "its params.head.bias.value is (3,) of float32, this model's (4,) of float32",
        "its params.head.kernel.value is (120, 3) of float32, this model's (120, 4) of float32",
        "it has no params.more.bias.value",
        "it has no params.more.kernel.value",
    ):
        assert difference in said
    for name, array in arrays(other).items():  # it is unchanged
        np.testing.assert_array_equal(array, before[name])
    fewer = PlainNet(nnx.Rngs(1))
    del fewer.norm
    with pytest.raises(checkpoint.CheckpointError, match=r"this model has no params\.norm\.bias"):
        runs.load(run, model=fewer)


def test_resuming_in_python_keeps_the_folders_settings_current(tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, batch_size=25)
    fit(model(), dataset(), config, run=tmp_path, verbose=0)
    with pytest.raises(ValueError, match="already holds a training"):
        fit(model(), dataset(), replace(config, seed=9), run=tmp_path, verbose=0)
    with pytest.raises(ValueError, match="was trained with seed 0, not 9"):
        fit(model(), dataset(), replace(config, seed=9), run=tmp_path, resume=True, verbose=0)
    assert runs.read_config(tmp_path).train == config  # as it was
    longer = replace(config, epochs=2)
    trained = model()
    fit(trained, dataset(), longer, run=tmp_path, resume=True, verbose=0)
    loaded, found = runs.load(tmp_path, model=model(seed=4))
    assert found.train == longer
    assert_same_bits(loaded, trained)


def test_the_folder_of_the_command_line_keeps_its_configuration(tmp_path: Path) -> None:
    config = RunConfig("mlp", (6, 5, 2), dataset().class_names, "digits", None, TrainConfig(1))
    runs.create(tmp_path, config)
    fit(config.build(), dataset(), config.train, run=tmp_path, verbose=0)
    assert runs.read_config(tmp_path) == config


# --- a model from elsewhere -----------------------------------------------------------------------


def test_a_saved_model_is_loaded(tmp_path: Path) -> None:
    run, saved = tmp_path / "new" / "run", PlainNet(nnx.Rngs(3))
    saved.norm.mean[...] = jnp.arange(4.0)
    runs.save(saved, run, class_names=NAMES, input_shape=(6, 5, 2))
    loaded, config = runs.load(run, model=PlainNet(nnx.Rngs(0)))
    assert_same_bits(loaded, saved)
    assert (config.class_names, config.input_shape, config.data) == (NAMES, (6, 5, 2), "")
    assert not config.trained
    assert [path.name for path in run.parent.iterdir()] == ["run"]
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints",
        "config.json",
        "graph.json",
    ]
    with pytest.raises(checkpoint.CheckpointError, match="without the state of a training; load"):
        fit(loaded, dataset(), TrainConfig(1), run=run, resume=True, verbose=0)


def test_a_saved_model_of_the_zoo_is_named_by_its_name(tmp_path: Path) -> None:
    saved = build("conv1", (6, 5, 3), 3, seed=5)
    given = Preprocessing((6, 5), "crop", "bgr", (0.1, 0.2, 0.3), (1.0, 2.0, 0.5))
    runs.save(saved, tmp_path, class_names=NAMES, preprocessing=given)
    loaded, config = runs.load(tmp_path, model="conv1")
    assert_same_bits(loaded, saved)
    assert config.preprocessing == given
    assert config.input_shape == (6, 5, 3)


def test_a_list_of_layers_is_saved(tmp_path: Path) -> None:
    def layers(seed: int) -> list[nnx.Module]:
        return [Flatten(), Dense(12, 3, rngs=nnx.Rngs(seed))]

    saved = layers(0)
    runs.save(saved, tmp_path, class_names=NAMES, input_shape=SHAPE)
    assert_same_bits(runs.load(tmp_path, model=layers(1))[0], Sequential(saved))
    (tmp_path / "net.py").write_text(TEXT, encoding="utf-8")
    found, _ = runs.load(tmp_path, model=f"{tmp_path}/net.py:small")
    assert_same_bits(found, Sequential(saved))


GREY = Preprocessing((2, 3), "crop", "grey", (0.0,), (1.0,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"class_names": "abc"}, "class_names: got 'abc'; accepted: a list of names"),
        ({"class_names": []}, "class_names: got []; accepted: a list of names"),
        ({"class_names": ["a", "a", "b"]}, "class_names: got 'a' more than once"),
        ({"class_names": ["a", "b"]}, "model: gives (3,) for an image of (2, 3, 2); expected one"),
        ({"input_shape": None}, "input_shape: got None; accepted: (H, W, C), or give preproc"),
        ({"input_shape": (2, 2, 2)}, "layer 'dense': "),
        ({"preprocessing": GREY}, "input_shape: got (2, 3, 2); accepted: that of preprocessing"),
    ],
)
def test_what_does_not_fit_is_not_saved(
    tmp_path: Path, arguments: dict[str, Any], said: str
) -> None:
    given: dict[str, Any] = {"class_names": NAMES, "input_shape": SHAPE} | arguments
    with pytest.raises(ValueError) as caught:
        runs.save([Flatten(), Dense(12, 3, rngs=nnx.Rngs(0))], tmp_path / "run", **given)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_saved_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Flatten(), Dense(12, 3, rngs=nnx.Rngs(0))]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes").touch()
    with pytest.raises(RunError, match=r"run: exists already; name another folder$"):
        runs.save(layers, tmp_path / "run", class_names=NAMES, input_shape=SHAPE)

    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jcnn.runs.models.write_config", full)
    with pytest.raises(OSError, match="No space left"):
        runs.save(layers, tmp_path / "new", class_names=NAMES, input_shape=SHAPE)
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "notes"]
