"""Every library trains the same model, and the rows say what was measured."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from benchmarks.peers import contestants, nnx_tutorial
from benchmarks.peers.__main__ import EPOCHS, STEPS, findings
from benchmarks.peers.contestants import Contestant, Made, of_epoch, of_step
from benchmarks.peers.measure import guarded, measure
from benchmarks.peers.task import (
    MODELS,
    TOLERANCE,
    Conv,
    Dropout,
    Task,
    digest,
    parameters,
    random_images,
    with_shapes,
)
from jcnn import layers
from jcnn.bench.record import Row, relative_error
from jcnn.models.zoo import trace
from tests.benchmarks.contestants import broken, right, wrong

ROOT = Path(__file__).parents[2]
TORCH = "torch is not installed: pip install torch==2.13.0"
KERAS = "keras is not installed: pip install 'keras>=3.15'"


@pytest.mark.parametrize("name", MODELS)
def test_a_table_is_the_model_of_the_zoo(name: str) -> None:
    ours = nnx.eval_shape(lambda: trace(name))
    assert isinstance(ours, layers.Sequential)
    model = MODELS[name]
    weighted = [layer for layer in ours if isinstance(layer, layers.Conv2D | layers.Dense)]
    kernels = [layer.kernel.shape for layer in weighted]
    drawn = parameters(model)
    assert [array.shape for array in drawn[::2]] == kernels
    assert [array.shape for array in drawn[1::2]] == [shape[-1:] for shape in kernels]
    convolutions = [layer for layer in ours if isinstance(layer, layers.Conv2D)]
    paddings = [layer.padding for layer in model.layers if isinstance(layer, Conv)]
    assert [str(layer.padding).lower() for layer in convolutions] == paddings
    relus = [bool(getattr(layer, "relu", True)) for layer in model.layers if layer_of(layer)]
    assert [layer.activation is not None for layer in weighted] == relus
    rates = [layer.rate for layer in ours if isinstance(layer, layers.Dropout)]
    assert [layer.rate for layer in model.layers if isinstance(layer, Dropout)] == rates


def layer_of(layer: object) -> bool:
    return type(layer).__name__ in ("Conv", "Dense")


def test_the_pictures_are_the_models_and_the_plans_cover_every_case() -> None:
    images, labels = random_images(MODELS["creatures"], 5)
    assert images.shape == (5, 100, 100, 3)
    assert (str(images.dtype), str(labels.dtype)) == ("uint8", "int32")
    assert 0 <= labels.min() <= labels.max() < MODELS["creatures"].classes == 6
    every = {(model, batch) for model in MODELS for batch in (64, 512)}
    assert set(STEPS) == set(EPOCHS) == every


def test_the_shapes_of_creatures_are_the_lectures() -> None:
    flat = [shape for layer, shape in with_shapes(MODELS["creatures"])][-2:]
    assert flat == [(1, 1, 23 * 23 * 64), (1, 1, 512)]


def test_a_digest_sees_one_wrong_layout() -> None:
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(3, 3, 4, 5))
    reference = digest(1.0, [gradient])
    assert relative_error(digest(1.0, [gradient.copy()]), reference) == 0
    assert relative_error(digest(1.0, [gradient.swapaxes(0, 1)]), reference) > 0.1
    assert relative_error(digest(1.001, [gradient]), reference) > TOLERANCE


TASK = Task("conv1", 4, 5)


def test_rows_say_who_is_wrong_who_failed_and_what_to_install() -> None:
    rows = measure(
        [
            Contestant("jcnn", right, (), "this"),
            Contestant("same", right, (), "that"),
            Contestant("other", wrong, (), ""),
            Contestant("broken", broken, (), ""),
        ],
        TASK,
        steps=5,
        rounds=1,
        runs=2,
    )
    ours, same, other, failed = rows
    assert (ours.case, ours.group, ours.note, ours.error) == ("conv1", "batch 4", "this", None)
    assert ours.n == same.n == 2
    assert ours.median and same.median
    assert same.figures["jcnn / it"] == pytest.approx(ours.median / same.median)
    assert (same.error, same.wrong, other.wrong) == (0, False, True)
    assert (failed.n, failed.note, failed.wrong) == (0, "OSError: no such", False)


def test_a_guarded_set_up_has_run_once_when_its_first_call_is_asked_for() -> None:
    runs: list[int] = []
    run, answer = guarded(lambda: (lambda: runs.append(len(runs)), "answer"))
    assert (runs, answer) == ([0], "answer")
    run()
    assert runs == [0]
    run()
    run()
    assert runs == [0, 1, 2]


def test_a_missing_library_is_a_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "find_spec", lambda name: None)
    for made in (of_step(TASK), of_epoch(TASK)):
        missing = {one.name.split(",")[0]: one.missing for one in made}
        assert missing["jcnn"] == missing["Flax NNX"] == ""
        assert missing["PyTorch"] == "not installed: pip install torch==2.13.0"
        tensorflow = next(one for one in made if one.name.startswith("Keras, TensorFlow"))
        assert tensorflow.missing == "not installed: pip install 'keras>=3.15' tensorflow"
        names = [one.name for one in made]
        assert len(set(names)) == len(names)


def test_the_goals_are_compared_with_the_best_peer() -> None:
    def row(name: str, ratio: float, group: str = "batch 64") -> Row:
        return Row("conv4", name, (1.0,), group, figures={"jcnn / it": ratio})

    rows = [row("PyTorch, NCHW", 0.5), row("PyTorch, compiled", 0.9), row("Flax NNX", 0.25)]
    rows += [row("PyTorch, NCHW", 0.99, "batch 512")]
    small = [row(name, share) for name, share in (("jcnn, other", 0.9), ("Keras, JAX", 0.3))]
    rows += [replace(one, case="conv1") for one in small]
    assert findings(rows) == [
        "conv4, batch 64: jcnn / the best of PyTorch: 0.90 (goal: at most 0.85)",
        "conv4, batch 64: jcnn / the best of Flax NNX: 0.25 (goal: at most 0.5)",
        "conv1, batch 64: jcnn / the best of all: 0.30 (goal: at most 1.0)",
    ]


def answers(setup: Callable[[Task], Made], name: str) -> list[np.ndarray]:
    """Check a step at batch 2, and run it."""
    run, answer = setup(Task(name, 2, 1))
    run()
    assert isinstance(answer, list)
    return answer


def test_flax_agrees_on_the_smallest_model() -> None:
    ours, flax = (answers(setup, "conv1") for setup in (contestants.jcnn, nnx_tutorial.step))
    assert relative_error(flax, ours) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conv4", "creatures"])
def test_flax_and_pytorch_agree_on_the_large_models(name: str) -> None:
    pytest.importorskip("torch", reason=TORCH)
    ours = answers(contestants.jcnn, name)
    assert relative_error(answers(contestants.nnx, name), ours) < TOLERANCE
    for channels_last in (False, True):

        def torch(task: Task, channels_last: bool = channels_last) -> Made:
            how = {"channels_last": channels_last, "compiled": False}
            return contestants.torch(task, epoch=False, **how)

        assert relative_error(answers(torch, name), ours) < TOLERANCE


@pytest.mark.slow
def test_the_command_measures_every_library_that_is_here(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=TORCH)
    pytest.importorskip("keras", reason=KERAS)
    words = ["--models", "conv1", "--batch", "64", "--rounds", "1", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks.peers", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for what, contestants_of in (("step", of_step), ("epoch", of_epoch)):
        rows = json.loads((tmp_path / f"peers_{what}.json").read_text())["rows"]
        assert [row["contestant"] for row in rows] == [
            one.name for one in contestants_of(Task("conv1", 64, EPOCHS["conv1", 64].steps))
        ]
        for row in rows:
            assert row["seconds"] or row["note"].startswith("not installed"), row
            assert (tmp_path / f"peers_{what}.png").is_file()
