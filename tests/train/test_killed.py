"""A killed and resumed training gives the same bits and history as an uninterrupted one."""

import itertools
import json
import random
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn import checkpoint, runs
from jcnn.config import TrainConfig
from jcnn.runs import RunConfig
from jcnn.system import sealed
from tests.train.lives import ACTIVITIES, Activity, Life, Moment, Plan, killed_at_call, live

PLAIN = TrainConfig(epochs=4, batch_size=8, validation_split=0.2, seed=7, steps_per_call=2)
# With everything that a step or an epoch hands on to the next.
RICH = replace(
    PLAIN,
    augment="shift,flip",
    optimizer="nadam",
    learning_rate=0.03,
    schedule="cosine",
    warmup_epochs=0.7,
    accumulate_steps=4,
    ema=0.9,
    restore_best=True,
    plateau_patience=1,
)
RUN = RunConfig("mlp", (6, 5, 2), ("Ölfisch", "b", "c"), "digits", None, PLAIN)


@pytest.fixture
def chance() -> random.Random:
    """A new seed for each run; a failing test prints it, so that it can be repeated."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"random.Random({seed})")
    return random.Random(seed)


def outcome(run: Path) -> tuple[dict[str, np.ndarray], list[Any]]:
    """Every array of the newest checkpoint, and its meta without measured times."""
    step = checkpoint.steps(run)[-1]
    arrays, texts = sealed.read(run / "checkpoints" / f"{step}.safetensors")
    rows = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return arrays, [step, without_times([json.loads(texts["meta"]), *map(json.loads, rows)])]


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        clock = {"seconds", "images_per_second"}
        return {key: without_times(v) for key, v in value.items() if key not in clock}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def random_moment(chance: random.Random, whole: Life, during: Activity, left: float) -> Moment:
    """A random moment, rather early, of a life with the share `left` of the training to do."""
    if during == "starting":  # or whatever else it does by then: a life takes about two seconds
        return Moment(None, seconds=chance.uniform(0, 2))
    return Moment(
        during,
        count=1 + int(whole.done[during] * left * chance.random() ** 2 / 2),
        call=chance.randint(1, whole.calls),
        seconds=chance.uniform(0, 0.005),
    )


@pytest.mark.parametrize(
    ("kills", "streamed", "config", "save_seconds"),
    [
        pytest.param(5, True, PLAIN, 0.0, id="quick"),
        pytest.param(24, False, PLAIN, 600.0, id="in memory", marks=pytest.mark.slow),
        pytest.param(24, False, RICH, 0.0, id="in memory, within epochs", marks=pytest.mark.slow),
        pytest.param(24, True, RICH, 600.0, id="streamed", marks=pytest.mark.slow),
        pytest.param(24, True, PLAIN, 0.0, id="streamed, within epochs", marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments(
    tmp_path: Path,
    chance: random.Random,
    kills: int,
    streamed: bool,
    config: TrainConfig,
    save_seconds: float,
) -> None:
    """At least `kills` kills in total; a finished run is followed by a new one."""
    whole_run = tmp_path / "whole"
    plan = Plan(whole_run, tmp_path / "cache", config, streamed, save_seconds)
    whole = live(plan)
    assert not whole.killed
    assert (whole.done["saving"] > config.epochs) == (save_seconds == 0)
    assert (whole.done["reading"] > 0) == streamed
    arrays, told = outcome(whole_run)

    runs, killed = 0, 0
    ends: Counter[Activity] = Counter()
    wanted = [name for name in ACTIVITIES if whole.done[name]]
    for during in itertools.cycle(wanted):
        enough = killed >= kills and set(wanted[1:]) <= set(ends)
        plan = replace(plan, run=tmp_path / f"killed {runs}")
        left = 1 - max(checkpoint.steps(plan.run), default=0) / checkpoint.steps(whole_run)[-1]
        moment = random_moment(chance, whole, during, left)
        life = live(plan, None if enough else moment)
        if life.killed:
            print(f"killed while {', '.join(life.doing)}: {moment}")
            killed += 1
            ends.update(life.doing)
            continue
        resumed_arrays, resumed_told = outcome(plan.run)
        assert resumed_told == told
        assert resumed_arrays.keys() == arrays.keys()
        for name, array in arrays.items():
            assert resumed_arrays[name].tobytes() == array.tobytes(), name
        runs += 1
        if enough:
            break
    print(f"{killed} kills in {runs} runs, while {dict(ends)}")


# --- before every call to the system, one after the other -----------------------------------------


def random_state(step: int) -> dict[str, Any]:
    a = np.random.default_rng(step).standard_normal((100, 100)).astype(np.float32)
    return {"a": a, "b": {"c": np.array(step, np.int32)}}


def save(run: Path, step: int) -> None:
    checkpoint.save(run, step, random_state(step), {"step": step})


@pytest.mark.parametrize("replaces", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_save_that_is_killed_leaves_the_one_before_it(tmp_path: Path, replaces: bool) -> None:
    """The next save removes leftovers, also if it replaces a damaged file of the same step."""
    wanted = {"a": np.zeros((100, 100), np.float32), "b": {"c": np.array(0, np.int32)}}
    restored = []
    for call in itertools.count(1):
        run = tmp_path / str(call)
        save(run, 4)
        save(run, 5)
        if replaces:
            (run / "checkpoints" / "8.safetensors").write_text("damaged", encoding="utf-8")
        killed = killed_at_call(call, partial(save, run, 8))
        said: list[str] = []
        state, meta = checkpoint.restore(run, wanted, on_damage=said.append)
        assert len(said) == (replaces and meta["step"] == 5)
        np.testing.assert_array_equal(state["a"], random_state(meta["step"])["a"])
        restored.append(meta["step"])
        save(run, 9)
        names = {path.name for path in (run / "checkpoints").iterdir()}
        assert names == {f"{meta['step']}.safetensors", "9.safetensors"}
        if not killed:
            break
    assert sorted(restored) == restored  # first the older one is there, then the newer one
    assert restored.count(5) >= 6
    assert restored.count(8) >= 3


def test_making_a_run_that_is_killed_can_be_made_again(tmp_path: Path) -> None:
    """Or was made."""
    made = []
    for call in itertools.count(1):
        run = tmp_path / str(call) / "run"
        killed = killed_at_call(call, partial(runs.create, run, RUN))
        made.append((run / "config.json").exists())
        if not made[-1]:
            runs.create(run, RUN)
        assert runs.read_config(run).class_names == RUN.class_names
        assert [path.name for path in run.iterdir()] == ["config.json"]
        if not killed:
            break
    assert sorted(made) == made
    assert made.count(False) >= 4
    assert made[-1]
