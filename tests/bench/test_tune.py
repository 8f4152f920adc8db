"""`jcnn.bench.tune` measures every supported lowering and leaves lax only for a clear gain."""

import time
from pathlib import Path

import jax.numpy as jnp
import pytest

from jcnn.bench import tune as tune_module
from jcnn.bench.tune import pick, tune
from jcnn.bench.tune_cases import default_cases, zoo_cases
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.table.file import read, tuned_file
from jcnn.ops.conv.table.lookup import Conv, Params, choose

SMALL = {
    "plain": Conv(
        "cpu",
        "float32",
        (2, 6, 5, 4),
        (3, 3, 4, 5),
        Params((1, 1), ((1, 1),) * 2, (1, 1), (1, 1), 1),
    ),
    "depthwise": Conv(
        "cpu",
        "float32",
        (2, 6, 5, 4),
        (3, 3, 1, 4),
        Params((2, 2), ((1, 1),) * 2, (1, 1), (1, 1), 4),
    ),
}


def test_a_lowering_is_picked_for_a_tenth_of_the_median_and_of_the_best() -> None:
    lax = [1.0, 1.1, 1.2]
    assert pick({"lax": lax, "taps": [0.8, 0.9, 1.5], "groups": [0.9, 0.95, 1.0]}) == "taps"
    assert pick({"lax": lax, "taps": [0.8, 1.0, 1.0]}) == "lax"  # the median
    assert pick({"lax": lax, "taps": [0.95, 0.96, 0.97]}) == "lax"  # the best
    assert pick({"lax": lax, "taps": [0.5, 0.6, 0.7], "rows": [0.1, 0.2, 0.3]}) == "rows"
    assert pick({"lax": lax}) == "lax"


def test_the_table_holds_each_direction_with_each_lowering_that_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    file = tune(SMALL, rounds=2, progress=said.append)
    assert file == tuned_file()
    made = read(file)
    names = [f"{case}, {way}" for case in SMALL for way in ("forward", "by input", "by kernel")]
    assert {line.name for line in made.lines} == set(names)
    assert [one.split(":")[0] for one in said] == names
    for line in made.lines:
        able = {
            lowering
            for lowering, how in LOWERINGS.items()
            if lowering not in tune_module._BY_NAME and how.unsupported(line.conv) is None
        }
        assert set(line.milliseconds) == able
        assert choose(line.conv, [made]).lowering == line.lowering
    by_name = {line.name: line for line in made.lines}
    assert set(by_name["depthwise, by kernel"].milliseconds) > {"lax", "rows"}
    assert "jax" in made.measured_on


def test_lowerings_that_disagree_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tune_module, "_AGREE", {"float32": 0.0})
    with pytest.raises(RuntimeError, match="differs from lax by"):
        tune(SMALL, tmp_path / "table.json", rounds=1, progress=lambda line: None)


def test_the_default_cases_are_the_zoos_and_the_known_ones() -> None:
    cases = default_cases()
    zoo = zoo_cases("cpu")
    assert set(zoo.items()) <= set(cases.items()) or cases["conv1 conv2d"].platform != "cpu"
    assert zoo["conv4 conv2d_3"].kernel == (3, 3, 64, 128)
    assert zoo["conv4 conv2d_3"].x == (64, 14, 14, 64)
    assert len(set(cases.values())) == len(cases)
    assert {conv.dtype for conv in cases.values()} == {"float32", "bfloat16"}
    assert min(min(conv.out) for conv in cases.values()) >= 1


def test_an_accelerator_may_multiply_float32_in_fewer_bits() -> None:
    wanted = jnp.array([1.0, -2.0])
    got = wanted + 0.01  # half a percent of the largest
    tune_module._check("x", got, wanted, "gpu")
    with pytest.raises(RuntimeError, match=r"x differs from lax by 5\.0e-03"):
        tune_module._check("x", got, wanted, "cpu")
    with pytest.raises(RuntimeError, match=r"x differs from lax by 5\.0e-02"):
        tune_module._check("x", got + 0.09, wanted, "gpu")


@pytest.mark.parametrize(("platform", "calls"), [("cpu", 1), ("gpu", 10)])
def test_an_accelerator_is_given_several_calls_at_once(
    platform: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def run() -> None:
        clock[0] += 3.0

    assert tune_module._seconds(run, platform) == 3.0
    assert clock == [3.0 * calls]
