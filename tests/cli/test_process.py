"""`jcnn` as a process: lazy imports, Ctrl-C, a closed pipe, and a clean stdout."""

import contextlib
import gc
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jcnn import checkpoint
from jcnn.cli import main
from tests.cli.conftest import Trained
from tests.cli.process import Result, environment, finish, start, ways_to_call


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], marks=pytest.mark.slow),
        pytest.param(["--help"], marks=pytest.mark.slow),
        ["train", "--help"],
        ["train", "--modl", "x"],
    ],
)
def test_help_and_a_mistyped_option_answer_without_jax_and_rich(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from jcnn.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = 'jax jaxlib flax optax safetensors chex numpy PIL sklearn mlxtend '\n"
        "heavy = (heavy + 'matplotlib rich tensorflow_datasets').split()\n"
        "sys.exit(' '.join(name for name in heavy if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_garbage_collector_leaves_all_objects_alone_at_the_end() -> None:
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count()))\n"  # called after jcnn's
        "from jcnn.cli import main\n"
        "main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(done.stdout.split()[-1]) > 1000


@pytest.mark.parametrize("words", [["data"], ["train", "--epochs", "0"], ["--help"]])
def test_the_garbage_collector_is_left_as_it_was(words: list[str]) -> None:
    before = gc.get_threshold()
    with contextlib.suppress(SystemExit):
        main(words)
    assert gc.get_threshold() == before


def test_python_dash_m_jcnn_is_jcnn(trained: Trained, cache: Path) -> None:
    """Stdout contains only the JSON."""
    words = [sys.executable, "-m", "jcnn", "evaluate", str(trained.run), "--json"]
    done = subprocess.run(words, capture_output=True, env=environment(cache), check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["n"] == 359


def test_a_mistake_is_exit_code_2(cache: Path) -> None:
    words = [sys.executable, "-m", "jcnn", "train", "--epochs", "0"]
    done = subprocess.run(words, capture_output=True, env=environment(cache), check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"jcnn: epochs: got 0; accepted: an int >= 1\n"


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("utf-8", marks=pytest.mark.slow)])
def test_a_mistyped_option_is_explained_wherever_stdout_goes(cache: Path, encoding: str) -> None:
    settings = {**environment(cache), "PYTHONIOENCODING": encoding}
    words = [sys.executable, "-m", "jcnn", "train", "--epochs", "two"]
    done = subprocess.run(words, capture_output=True, env=settings, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    message = "--epochs: got 'two'; accepted: an int; see jcnn train --help"
    assert done.stderr.decode() == f"jcnn: {message}\n"


def test_a_mistyped_option_is_explained_on_a_terminal(cache: Path) -> None:
    ours, theirs = pty.openpty()
    settings = {**environment(cache), "TERM": "xterm"}
    words = [sys.executable, "-m", "jcnn", "train", "--modl", "x"]
    done = subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE, env=settings, check=False)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    message = "unknown option --modl; see jcnn train --help; did you mean '--model'?"
    assert done.stderr.decode() == f"jcnn: {message}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["data"],
        pytest.param(["data", "--json"], marks=pytest.mark.slow),
        pytest.param(["train", "--help"], marks=pytest.mark.slow),
    ],
)
def test_a_reader_that_goes_away_is_no_error(cache: Path, words: list[str]) -> None:
    process = start(cache, *words)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == ""
    process.wait()
    process.stderr.close()
    assert process.returncode != 2


@pytest.mark.usefixtures("blank_figures")
def test_ctrl_c_keeps_the_last_epoch_and_the_run_goes_on(
    jcnn: Callable[..., Result], cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = "train --model mlp --data digits --epochs 200 --out"
    with pytest.MonkeyPatch.context() as patch:  # not for this process, whose flags are read
        patch.delenv("XLA_FLAGS", raising=False)  # compiled as a user's training is
        process = start(cache, *words.split(), str(run))
    history = run / "history.jsonl"
    while not history.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stopped = finish(process)
    assert stopped.code == 130
    assert stopped.out == ""
    meta = checkpoint.read_meta(run)
    assert meta
    last = len(meta["histories"][0])
    assert 1 <= last < 200
    head, compiling, *epochs, closing = stopped.err.splitlines()
    assert head.startswith("mlp on digits")
    assert compiling == "compiling ..."
    assert all(line.startswith("epoch ") for line in epochs)
    said, command = closing.split("resume with: ")
    assert said == f"jcnn: stopped; epoch {last} is saved; "
    assert command in (f"{way} train --resume {run}" for way in ways_to_call())
    assert len(history.read_text(encoding="utf-8").splitlines()) == last

    assert jcnn("train", "--resume", run, "--epochs", str(last + 1)).code == 0
    rows = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, last + 2))
    assert checkpoint.steps(run)[-1] == (last + 1) * 23


@pytest.mark.usefixtures("blank_figures")
def test_a_checkpoint_that_lost_its_end_is_passed_over(
    trained: Trained, jcnn: Callable[..., Result], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    os.truncate(run / "checkpoints/46.safetensors", 5000)
    note = (
        f"{run}: the checkpoint of step 46 is damaged (its header cannot be read); "
        "going back to that of step 23"
    )
    result = jcnn("evaluate", run)
    assert (result.code, result.err) == (0, f"jcnn: {note}\n")

    resumed = jcnn("train", "--resume", run)
    assert f"note: {note}" in resumed.err.splitlines()
    assert resumed.out.splitlines()[0] == trained.result.out.splitlines()[0]
    assert checkpoint.steps(run) == [23, 46]
    again = jcnn("evaluate", run)
    assert (again.code, again.err) == (0, "")
