"""`jcnn train --keep-checkpoints` and `jcnn explore --over-epochs`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jcnn.data import digits
from jcnn.runs import load
from jcnn.runs.epochs import load_epoch
from jcnn.train import predict
from tests.cli.conftest import Trained
from tests.cli.process import Result
from tests.cli.test_explore import content_of

Jcnn = Callable[..., Result]


@pytest.mark.usefixtures("blank_figures")
def test_the_epochs_of_a_run(jcnn: Jcnn, tmp_path: Path) -> None:
    run, out = tmp_path / "RUN", tmp_path / "page.html"
    words = "train --model mlp --data digits --epochs 3 --keep-checkpoints 3 --validation-split .1"
    result = jcnn(*words.split(), "--out", run)
    assert result.code == 0
    assert f"explore {run} --over-epochs\n" in result.out  # what to do next
    assert sorted(file.name for file in (run / "epochs").iterdir()) == [
        "0.safetensors",
        "2.safetensors",
        "3.safetensors",
    ]
    result = jcnn("explore", run, "--over-epochs", "--out", out)
    assert result == Result(0, f"{out}\n", "")
    epochs = content_of(out)["epochs"]
    assert epochs["numbers"] == [0, 2, 3]
    assert epochs["history"]["epoch"] == [1, 2, 3]
    assert None not in epochs["history"]["val_accuracy"]
    _, test = digits()
    assert (epochs["test"]["count"], epochs["test"]["of"]) == (len(test), len(test))
    model, _ = load(run)
    for epoch, accuracy in zip(epochs["numbers"], epochs["test"]["accuracy"], strict=True):
        load_epoch(model, run, epoch)
        right = np.asarray(predict(model, test.images)).argmax(1) == test.labels
        assert accuracy == pytest.approx(right.mean(), abs=1.5 / len(test))

    (run / "epochs" / "2.safetensors").write_bytes(b"nothing")
    result = jcnn("explore", run, "--over-epochs", "--out", tmp_path / "b.html")
    assert (result.code, result.out) == (2, "")
    file = run / "epochs" / "2.safetensors"
    assert result.err == f"jcnn: {file}: is damaged: its header cannot be read\n"
    assert not (tmp_path / "b.html").exists()


def test_a_run_that_kept_none(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    result = jcnn("explore", trained.run, "--over-epochs", "--out", tmp_path / "a.html")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"jcnn: --over-epochs: {trained.run} has kept the weights of no epoch; train with "
        "--keep-checkpoints all, or with a number of epochs to keep\n"
    )
    result = jcnn("explore", "mlp", "--over-epochs", "--out", tmp_path / "a.html")
    assert result.err == "jcnn: --over-epochs: is for a run folder; mlp is none\n"
    assert list(tmp_path.iterdir()) == []
