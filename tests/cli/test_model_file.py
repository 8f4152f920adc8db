"""`--model FILE.py:NAME` and `--trust`: a user's own model on the command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn import runs
from jcnn.config import TrainConfig
from jcnn.data.preprocessing import Preprocessing
from jcnn.models import build
from jcnn.models.file import read_model_file
from tests.cli.process import Result
from tests.cli.test_user_errors import assert_refused

Jcnn = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("blank_figures")

TEXT = """
import pathlib

from flax import nnx

from jcnn.layers import Conv2D, Dense, Dropout, Flatten

pathlib.Path({mark!r}).touch()


def small(input_shape, classes, *, rngs):
    height, width, channels = input_shape
    return [
        Conv2D(channels, 2, 3, stride=2, rngs=rngs),
        Flatten(),
        Dropout(0.25, rngs=rngs),
        Dense(32, classes, rngs=rngs),
    ]


def dense(input_shape, classes, *, rngs):
    return [Flatten(), Dense(input_shape[0] * input_shape[1], classes, rngs=rngs)]


def two(input_shape, classes, *, rngs):
    return [Flatten(), Dense(64, 2, rngs=rngs)]


class Pair(nnx.Module):
    def __init__(self, input_shape, classes, *, rngs):
        self.last = nnx.Linear(64, classes, rngs=rngs)

    def __call__(self, x):
        return self.last(x.reshape(len(x), -1)), x
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that exists where a model file was executed."""
    return tmp_path / "mark"


@pytest.fixture
def net(tmp_path: Path, mark: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(TEXT.format(mark=str(mark)), encoding="utf-8")
    return path


def train(jcnn: Jcnn, model: str, run: Path, *words: str) -> Result:
    options = ["--data", "digits", "--epochs", "1", "--batch-size", "256"]
    return jcnn("train", "--model", model, *options, "--out", run, *words)


def test_a_model_file_is_trained_used_and_resumed(jcnn: Jcnn, net: Path, tmp_path: Path) -> None:
    run, named = tmp_path / "run", ["--model", f"{net}:small"]
    result = train(jcnn, f"{net}:small", run)
    assert result.code == 0, result.err
    assert f" evaluate {run} --model {net}:small\n" in result.out
    assert f" train --resume {run} --epochs 2 --model {net}:small\n" in result.out
    assert result.err.startswith("net.py:small on digits (1438 training and ")
    assert (run / "model.py").read_bytes() == net.read_bytes()

    scores = [json.loads(jcnn("evaluate", run, "--json", *way).out) for way in (named, ["--trust"])]
    assert scores[0] == scores[1]
    assert f"test accuracy {scores[0]['accuracy']:.4f}, " in result.out
    report = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert "jcnn train --model net.py:small --data digits" in report
    assert "The text of net.py is model.py of the run folder." in report
    assert str(tmp_path) not in report

    picture = tmp_path / "picture.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(picture)
    assert jcnn("predict", run, picture, *named).out.startswith(f"{picture}: ")
    assert jcnn("draw", "filters", run, "--out", tmp_path / "f.png", "--trust").code == 0
    page = tmp_path / "page.html"
    assert jcnn("explore", run, "--image", picture, "--out", page, *named).code == 0
    assert "net.py:small on digits" in page.read_text(encoding="utf-8")

    result = jcnn("train", "--resume", run, "--epochs", "2", "--trust")
    assert result.code == 0, result.err
    assert len((run / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert f" evaluate {run} --trust\n" in result.out


def test_a_population_of_a_model_file(jcnn: Jcnn, net: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = train(jcnn, f"{net}:small", run, "--dropouts", "0.1", "0.5")
    assert result.code == 0, result.err
    assert "member-1: seed 0, learning rate 0.001, dropout 0.5: test accuracy " in result.out
    assert f" evaluate {run}/member-0 --model {net}:small\n" in result.out
    assert jcnn("evaluate", f"{run}/member-1", "--trust").code == 0
    assert_refused(jcnn("report", run), "member-0: its model is built by a file, net.py:small, ")
    assert jcnn("report", run, "--trust").code == 0


COMMANDS = (
    "evaluate RUN",
    "predict RUN PICTURE",
    "report RUN",
    "explore RUN --data digits --out OUT.html",
    "draw strips RUN PICTURE --out OUT.png",
    "draw filters RUN --out OUT.png",
    "train --resume RUN --epochs 2",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_executes_what_is_in_a_run_folder(
    jcnn: Jcnn, net: Path, mark: Path, tmp_path: Path, command: str
) -> None:
    """Not without being told to, and never a text that is not the recorded one."""
    run, harmless = tmp_path / "run", tmp_path / "harmless.py"
    harmless.write_text("def small(shape, classes, *, rngs): ...\n", encoding="utf-8")
    described = runs.RunConfig(
        "harmless.py:small",
        (8, 8, 1),
        tuple("0123456789"),
        "digits",
        None,
        TrainConfig(),
        model_from="file",
        model_sha256=read_model_file(f"{harmless}:small").sha256,
    )
    runs.create(run, described, read_model_file(f"{harmless}:small"))
    shutil.copy(net, run / "model.py")  # it would leave a mark
    picture = tmp_path / "picture.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture)
    places = {"RUN": str(run), "PICTURE": str(picture)}
    words = [places.get(w, w.replace("OUT", str(tmp_path / "out"))) for w in command.split()]
    before = {path: path.read_bytes() for path in run.iterdir()}
    for option, said in (
        ([], f"{run}: its model is built by a file, harmless.py:small, which is not executed "),
        (["--trust"], f"{run}/model.py: is missing or has changed since the run was made, and is "),
        (["--model", f"{run}/model.py:small"], ": its model was built by another text than that "),
        (["--model", f"{net}:small"], ": its model was built by another text than that of "),
        (["--model", "conv1"], f"{run}: its model is harmless.py:small, not conv1"),
    ):
        assert_refused(jcnn(*words, *option), said)
    assert not mark.exists()
    assert {path: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--model NET:smal", "model: net.py has no 'smal'; it has small, dense, two, Pair; did yo"),
        ("--model NET", "net.py'; accepted: FILE.py:NAME; it has small, dense, two, Pair"),
        ("--model none.py:f", "model: none.py: no such file"),
        ("--model NET:two", "model: gives (2,) for an image of (8, 8, 1); expected one logit for"),
        ("--model NET:Pair", "model: gives an object of type tuple; expected an array of logits"),
        ("--model NET:dense --dropout 0.2", "dropout: got 0.2, but the model has no dropout layer"),
        ("--model NET:dense --dropouts 0.2 0.3", "dropout: got 0.2, but the model has no dropout"),
        ("--model NET:small --freeze conv", "freeze: got 'conv'; accepted: backbone, or paths of"),
        ("--model NET:small --trust", "--trust: is for --resume; a new run executes the file of"),
        (
            "--model NET:small --data folder:x",
            "--image-size: got none; needed for 'folder:x'",
        ),
        ("--model mlp --dropout 0.2", "dropout: got 0.2, but the model has no dropout layer"),
        ("--model mlp --dropouts 0.2 0.3", "dropout: got 0.2, but the model has no dropout layer"),
    ],
)
def test_a_wrong_model_leaves_no_run(
    jcnn: Jcnn, net: Path, tmp_path: Path, words: str, said: str
) -> None:
    run = tmp_path / "run"
    found = words.replace("NET", str(net)).split()
    data = [] if "--data" in found else ["--data", "digits"]
    assert_refused(jcnn("train", *found, *data, "--epochs", "1", "--out", run), said)
    assert not run.exists()


def test_a_summary_and_a_drawing_need_the_shape(jcnn: Jcnn, net: Path, tmp_path: Path) -> None:
    shape, drawing = ["--input-shape", "8", "8", "1"], tmp_path / "net.svg"
    for command in (["summary", f"{net}:small"], ["draw", "network", f"{net}:small"]):
        assert_refused(jcnn(*command), "--input-shape: got none; needed for net.py:small")
        assert_refused(jcnn(*command, *shape), "--classes: got none; needed for net.py:small")
    result = jcnn("summary", f"{net}:small", *shape, "--classes", "3", "--json")
    assert json.loads(result.out)["params"] == 2 * 9 + 2 + 32 * 3 + 3
    words = ["draw", "network", f"{net}:small", *shape, "--classes", "3", "--out"]
    assert jcnn(*words, drawing).out == f"{drawing}\n"


def test_the_summary_of_a_run_executes_nothing_unasked(
    jcnn: Jcnn, net: Path, mark: Path, tmp_path: Path
) -> None:
    run, drawing = tmp_path / "run", tmp_path / "net.svg"
    words = ["--model", f"{net}:small", "--data", "digits", "--epochs", "1"]
    assert jcnn("train", *words, "--out", run).code == 0
    mark.unlink()
    for command in (["summary", run], ["draw", "network", run, "--out", drawing]):
        assert_refused(jcnn(*command), "is not executed unless")
        assert not mark.exists()
        assert_refused(jcnn(*command, "--classes", "3"), "--classes: is not for a run folder")
    by_name = jcnn("summary", run, "--model", f"{net}:small", "--json")
    assert json.loads(by_name.out)["params"] == 2 * 9 + 2 + 32 * 10 + 10
    trusted = jcnn("summary", run, "--trust", "--json")
    assert trusted.out == by_name.out
    assert jcnn("draw", "network", run, "--trust", "--out", drawing).out == f"{drawing}\n"
    assert_refused(jcnn("summary", "mlp", "--trust"), "--trust: is for a run folder; mlp is none")


def test_the_summary_of_a_run_says_its_preprocessing(jcnn: Jcnn, tmp_path: Path) -> None:
    model, run = build("conv1", (8, 9, 1), 3), tmp_path / "run"
    given = Preprocessing((8, 9), "crop", "grey", (0.5,), (0.25,))
    names = ("a", "b", "c")
    runs.save(model, run, class_names=names, preprocessing=given)
    for named in ([], ["--model", "conv1"]):
        result = jcnn("summary", run, *named)
        assert "8x9x32" in result.out
        assert f"\nimages: {given.describe()}\n" in result.out
    found = json.loads(jcnn("summary", run, "--model", "conv1", "--json").out)
    assert found["preprocessing"] == given.describe()
    assert_refused(jcnn("summary", tmp_path), "is no run folder")


def test_an_untrained_model_file_is_explored(jcnn: Jcnn, net: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["explore", f"{net}:dense", "--out", page]
    assert_refused(jcnn(*words), "--data: got none; net.py:dense takes any shape of image")
    assert_refused(jcnn(*words, "--trust"), "--trust: is for a run folder; ")
    assert jcnn(*words, "--data", "digits", "--index", "0").code == 0
    assert "net.py:dense with random parameters, not trained" in page.read_text(encoding="utf-8")


def test_a_run_made_in_python(jcnn: Jcnn, tmp_path: Path) -> None:
    run, names = tmp_path / "run", tuple("0123456789")
    runs.save(build("conv1", (8, 8, 1), 10), run, class_names=names, input_shape=(8, 8, 1))
    assert_refused(jcnn("train", "--resume", run), "was made in Python (jcnn.")
    with_graph = jcnn("evaluate", run, "--data", "digits")
    assert with_graph.code == 0, with_graph.err
    (run / "graph.json").unlink()
    assert_refused(jcnn("evaluate", run), f"{run}: its model is a Python object (jcnn.")
    assert_refused(jcnn("evaluate", run), "name what builds it: --model FILE.py:NAME, or in Python")
    named = ["--model", "conv1"]
    by_name = jcnn("evaluate", run, *named, "--data", "digits")
    assert by_name.out == with_graph.out
    assert_refused(jcnn("evaluate", run, *named), "data: the run does not say what it was trained")
    assert_refused(jcnn("evaluate", run, "--model", "conv2"), "is of another model: it has no ")
    result = jcnn("report", run, *named, "--data", "digits")
    assert result.code == 0, result.err
    text = Path(result.out.strip()).read_text(encoding="utf-8")
    assert "The model was saved by a Python program." in text
    assert "training time" not in text
