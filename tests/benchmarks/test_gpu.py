"""The GPU benchmarks on a CPU, and their analysis of programs and rows."""

import json
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import pytest

from benchmarks.gpu import methods, profile, reported, run, speedrun, step
from benchmarks.gpu import tests as gpu_tests
from benchmarks.gpu.compiling import Failed, Program, compile_all
from benchmarks.gpu.limits import run_parts, summary
from benchmarks.gpu.part import Options, record
from benchmarks.gpu.parts import PARTS, Part
from benchmarks.peers.task import Task
from jcnn import ops
from jcnn.bench.record import Row, new_result, read_json, write_json
from jcnn.data import DataError

ROOT = Path(__file__).parents[2]


def test_copies_and_transposes_are_counted_with_their_shapes() -> None:
    hlo = """
      %copy.1 = f32[64,28,28,32]{3,2,1,0} copy(%x)
      %copy.2 = f32[64,28,28,32]{0,3,2,1} copy(%y)
      ROOT %t = bf16[64,64,3,3]{3,2,1,0} transpose(%k), dimensions={3,2,0,1}
      %small = f32[16,16]{1,0} copy(%s)
      %start = (f32[99,99], f32[99,99]) copy-start(%z)
      %c = f32[64,28,28,32]{3,2,1,0} convolution(%x, %k), window={size=3x3}
    """
    assert step.moved(hlo) == {
        "copy f32[64,28,28,32]": 2,
        "transpose bf16[64,64,3,3]": 1,
    }


@pytest.mark.parametrize("options", step.OPTIONS.values(), ids=step.OPTIONS)
def test_the_compiler_knows_the_options(options: dict[str, str | bool]) -> None:
    jax.jit(lambda: 0).lower().compile(compiler_options=options)


def test_a_wrong_method_is_seen() -> None:
    case = methods.Case((1, 4, 5, 2), (3, 2, 2, 3), {"padding": "VALID"})
    arrays = methods.operands(case, "float32")
    want = methods.reference(case, arrays)
    rows = list(methods.rows_of("c", case, "lax", "highest", arrays, want))
    assert [row.case for row in rows] == [
        "c: forward",
        "c: gradient by input",
        "c: gradient by kernel",
    ]
    assert not any(row.wrong for row in rows)
    assert all(row.tolerance is not None for row in rows)

    off = [want[0], want[1], want[2] * (1 + 1e-4)]
    wrong = [row.wrong for row in methods.rows_of("c", case, "lax", "highest", arrays, off)]
    assert wrong == [False, False, True]


def test_a_method_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    case = methods.Case((1, 4, 5, 2), (3, 2, 2, 3), {})
    arrays = methods.operands(case, "bfloat16")
    (row,) = methods.rows_of("c", case, "no such", None, arrays, [])
    assert row.note.startswith("FAILED: ValueError: method: got 'no such'")
    refusing = ops.ConvMethod(ops.METHODS["lax"].fn, lambda *_: "not today")
    monkeypatch.setitem(ops.METHODS, "refusing", refusing)
    (row,) = methods.rows_of("c", case, "refusing", None, arrays, [])
    assert row.note == "NotImplementedError: method 'refusing': not today"


def test_the_goal_of_the_whole_run_is_reported() -> None:
    figures = {"test accuracy": 0.925}
    rows = [
        Row("conv4", "jcnn", (4.0,), "bfloat16", figures=figures),
        Row("conv4", "jcnn", (), "float32", note="failed"),
    ]
    (said,) = run.findings(rows)
    assert said == "conv4, bfloat16: jcnn 4.00 s (goal: under 6), test accuracy 0.9250"


def test_the_whole_run_takes_the_pictures_of_a_folder_or_random_ones(tmp_path: Path) -> None:
    training = run.Training(Task("conv4", 8, 2), 2, None, 16)
    train, test = run.data(training)
    assert (len(train), len(test), train.image_shape) == (16, 16, (28, 28, 1))
    with pytest.raises((DataError, FileNotFoundError), match=str(tmp_path)):
        run.data(training._replace(data_dir=tmp_path))


def test_a_speedrun_is_run_several_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module: Any = types.ModuleType("experiments.speedrun")
    module.__spec__ = ModuleSpec("experiments.speedrun", None)
    warm: list[int] = []
    module.warm_up = lambda train, test, *, small: warm.append(len(train))

    def run_once(train: object, test: object, *, seed: int, small: bool) -> types.SimpleNamespace:
        return types.SimpleNamespace(seconds=0.5 + seed, accuracy=0.93 + 0.01 * seed)

    module.run_once = run_once
    monkeypatch.setitem(sys.modules, "experiments.speedrun", module)
    rows = list(speedrun.measure(Options(True, None, tmp_path, None)))
    assert warm == [16]
    assert [row.seconds for row in rows] == [(), (0.5,), (1.5,)]
    (said,) = speedrun.findings(rows)
    assert said.startswith("1.000 ± 0.707 s, test accuracy 0.9350 ± 0.0071 (0.9300 to 0.9400), n=2")


def test_kernels_are_told_by_their_names() -> None:
    kinds = {
        "sm90_xmma_fprop_implicit_gemm_bf16": "convolutions",
        "cudnn::engines_precompiled::nchwToNhwcKernel": "convolutions",
        "nvjet_tst_128x64": "matmuls",
        "loop_convert_fusion_3": "fusions",
        "input_reduce_fusion": "reductions",
        "MemcpyD2D": "copies",
    }
    assert {name: profile.kind_of(name) for name in kinds} == kinds


def test_programs_are_compiled_together_and_a_failure_stays_alone() -> None:
    def fails() -> None:
        raise ValueError("no\nmore")

    made = compile_all({"fails": fails, "works": lambda: 3})
    assert list(made) == ["fails", "works"]
    assert made["fails"] == Failed("ValueError: no")
    works = made["works"]
    assert isinstance(works, Program)
    assert works.run == 3


# The parts of a run whose time limits are tested, as programs of the shell.
SCRIPTS = {
    "quick": "exit 0",
    "wrong": "exit 3",
    "hangs": "cp hangs.txt hangs.json; sleep 60 & echo $! > child; wait",
    "waits": "sleep 60",
    "late": "exit 0",
}


def test_a_part_is_stopped_with_its_processes_and_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [Row("c", "jcnn", (1.0,))]
    result = new_result("hangs", "?", rows, command="", findings=["so far"])
    write_json(result, tmp_path / "hangs.txt")
    stale = tmp_path / "quick.json"
    stale.write_text("of an earlier run")
    parts = {name: Part("?", 0.3 if name == "hangs" else 30.0) for name in SCRIPTS}

    def command(name: str, seconds: float | None) -> list[str]:
        assert seconds is not None
        assert seconds <= (parts[name].seconds or 0)
        return ["sh", "-c", SCRIPTS[name]]

    failed = run_parts(parts, command, tmp_path, budget=1.0)
    assert failed == ["wrong"]
    assert not stale.exists()
    kept = read_json(tmp_path / "hangs.json")
    assert (kept.rows, kept.findings) == (tuple(rows), ("so far", "stopped after 0 s"))
    child = (tmp_path / "child").read_text().strip()
    state = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True)
    assert state.stdout.strip()[:1] in ("", "Z")  # a killed child may wait for its new parent
    said = {name: read_json(tmp_path / f"{name}.json").findings for name in ("wrong", "waits")}
    assert said == {"wrong": ("ended with exit code 3",), "waits": ("stopped after 1 s",)}
    late = read_json(tmp_path / "late.json")
    assert late.findings == ("not run: the budget was used up",)
    text = summary(list(parts), tmp_path)
    assert [line.split()[0] for line in text.splitlines()] == [
        *("quick", "wrong", "hangs", "hangs", "waits", "late")
    ]
    assert summary(list(parts), tmp_path, lines=2).splitlines()[1] == "..."
    assert "== hangs: stopped after 0 s" in capfd.readouterr().out


def test_the_rows_of_a_part_are_written_one_by_one(tmp_path: Path) -> None:
    seen: list[int] = []

    def measured() -> Iterator[Row | list[Row]]:
        yield Row("a", "jcnn", (1.0,))
        seen.append(len(read_json(tmp_path / "step.json").rows))
        yield [Row("b", "jcnn", (1.0,)), Row("c", "jcnn", (1.0,))]
        seen.append(len(read_json(tmp_path / "step.json").rows))

    result = record("step", measured, lambda rows: [f"{len(rows)} rows"], tmp_path)
    assert seen == [1, 3]
    assert result.findings == ("3 rows",)
    assert "| c |" in (tmp_path / "step.md").read_text()


def test_the_outcomes_of_tests_are_kept_until_pytest_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "tests.jsonl"
    recorder = reported.Recorder(file)
    where = ("x.py", 1, "test")

    def report(name: str, outcome: Any, when: Any, text: str | None = None) -> None:
        recorder.pytest_runtest_logreport(
            pytest.TestReport(f"x.py::{name}", where, {}, outcome, text, when)
        )

    report("good", "passed", "setup")
    report("good", "passed", "call")
    report("bad", "failed", "call", "def bad():\n>   assert x\nE   AssertionError: 1 != 2\n")
    report("broken", "failed", "setup", "Worker 'gw3' crashed")
    report("left", "skipped", "setup")
    with file.open("a") as lines:
        lines.write('{"test": "x.py::ki')  # pytest was killed
    counts, bad, broken = gpu_tests.rows_of(file, "stopped after 5 s", 5.0)
    assert counts.figures == {"passed": 1, "failed": 2, "skipped": 1}
    assert (bad.case, bad.note) == ("x.py::bad", "failed: AssertionError: 1 != 2")
    assert broken.note == "failed: Worker 'gw3' crashed"
    (none,) = gpu_tests.rows_of(tmp_path / "missing", "stopped after 5 s", 5.0)
    assert none.figures["passed"] == 0


def test_every_part_has_a_module() -> None:
    assert all(find_spec(f"benchmarks.gpu.{part}") for part in PARTS)
    limits = [part.seconds or 0 for part in PARTS.values() if part.default]
    assert sum(limits) <= 590


CANNOT_RUN_HERE = ("not installed", "needs an NVIDIA GPU", "NotImplementedError")


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs_small(part: str, tmp_path: Path) -> None:
    words = ["--small", "--parts", part, "--out", str(tmp_path), "--cache", str(tmp_path / "xla")]
    command = [sys.executable, "-m", "benchmarks.gpu", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / f"{part}.json").read_text())["rows"]
    assert rows
    for row in rows:
        said = row["seconds"] or row["figures"] or row["error"] is not None
        assert said or row["note"].startswith(CANNOT_RUN_HERE), row
