"""The GPU benchmarks on a CPU, and their analysis of programs and rows."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from benchmarks.gpu import methods, run, step
from benchmarks.gpu.__main__ import PARTS
from benchmarks.peers.task import Task
from jcnn import ops
from jcnn.bench.record import Row
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
    rows = [
        Row("conv4", "jcnn", (4.0,), "float32"),
        Row("conv4", "PyTorch, eager", (50.0,), "float32"),
        Row("conv4", "jcnn", (), "bfloat16", note="failed"),
        Row("conv4", "PyTorch, eager", (50.0,), "bfloat16"),
    ]
    assert run.findings(rows) == [
        "float32: jcnn takes 4.00 s (goal: under 6)",
        "float32: PyTorch, eager / jcnn: 12.5",
    ]


def test_the_whole_run_takes_the_pictures_of_a_folder_or_random_ones(tmp_path: Path) -> None:
    training = run.Training(Task("conv4", 8, 2), 2, None, 16)
    train, test = run.data(training)
    assert (len(train), len(test), train.image_shape) == (16, 16, (28, 28, 1))
    with pytest.raises((DataError, FileNotFoundError), match=str(tmp_path)):
        run.data(training._replace(data_dir=tmp_path))


CANNOT_RUN_HERE = ("not installed", "needs an NVIDIA GPU", "NotImplementedError")


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs_small(part: str, tmp_path: Path) -> None:
    words = ["--small", "--parts", part, "--out", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks.gpu", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / f"{part}.json").read_text())["rows"]
    assert len(rows) >= 5
    for row in rows:
        said = row["seconds"] or row["figures"] or row["error"] is not None
        assert said or row["note"].startswith(CANNOT_RUN_HERE), row
