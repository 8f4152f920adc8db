"""`jcnn train` with populations, image folders and other settings."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn.runs import load, read_config
from jcnn.runs.history import read_history
from jcnn.train import evaluate
from tests.cli.process import Result
from tests.report.pages import read_page

Jcnn = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("blank_figures")


def test_a_population_has_a_folder_a_line_and_a_report_for_each(jcnn: Jcnn, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = (
        "train --model mlp_dropout --data digits --epochs 2 --seeds 2 --learning-rates 1e-3 1e-2"
    )
    result = jcnn(*words.split(), "--dropouts", "0.1", "0.3", "--out", run)
    assert result.code == 0, result.err
    assert "8 models of mlp_dropout" in result.err
    lines = result.out.splitlines()
    members = [read_config(run / f"member-{i}") for i in range(8)]
    settings = {(m.train.seed, m.train.learning_rate, m.dropout) for m in members}
    assert len(settings) == 8
    data = read_config(run).load_data()[1]
    accuracies = []
    for i, member in enumerate(members):
        model, _ = load(run / f"member-{i}")
        accuracies.append(evaluate(model, data).accuracy)
        assert lines[i].startswith(
            f"member-{i}: seed {member.train.seed}, learning rate {member.train.learning_rate:g}, "
            f"dropout {member.dropout:g}: test accuracy {accuracies[-1]:.4f}"
        )
    mean, spread = np.mean(accuracies), np.std(accuracies, ddof=1)
    assert lines[8].startswith(f"test accuracy {mean:.4f} +- {spread:.4f} (")
    assert (run / "report" / "index.html").is_file()
    losses = [read_history(run / f"member-{i}" / "history.jsonl")["loss"][-1] for i in range(8)]
    best = int(np.argmin(losses))
    assert lines[9] == (
        f"best by training loss: member-{best} ({losses[best]:.4f}), in {run}/member-{best}"
    )
    assert lines[10] == f"report {run}/report/index.html"
    assert f"evaluate {run}/member-{best}" in result.out
    page = read_page(run / "report" / "index.html")
    (line,) = [p for p in page.root.all("p") if p.attributes.get("class") == "best"]
    assert line.text.startswith(f"member-{best} has the best training loss, {losses[best]:.4f}")
    (link,) = line.all("a")
    target = (run / "report" / link.attributes["href"]).resolve()
    assert target == run / f"member-{best}" / "report" / "index.html"
    assert f"{accuracies[best]:.4f}" in read_page(target).root.all("dl")[0].text

    refused = jcnn("evaluate", run)
    assert refused.code == 2
    assert f"holds 8 models; name one: {run}/member-0 to {run}/member-7" in refused.err
    assert jcnn("report", run).out == f"{run}/report/index.html\n"

    longer = jcnn("train", "--resume", run, "--epochs", "3")
    assert longer.code == 0, longer.err
    assert len((run / "member-7" / "history.jsonl").read_text().splitlines()) == 3
    assert "epoch 3/3" in longer.err
    assert "epoch 2/3" not in longer.err


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Dark and bright images of several sizes and formats, 12 of each."""
    rng = np.random.default_rng(0)
    for name, low, high in (("dark", 0, 90), ("light", 160, 255)):
        folder = tmp_path / "shapes" / name
        folder.mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(low, high, (20 + i, 30 - i, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.{'png' if i % 2 else 'jpg'}")
    return tmp_path / "shapes"


def test_a_folder_is_brought_to_the_models_size_or_the_chosen(
    jcnn: Jcnn, shapes: Path, tmp_path: Path
) -> None:
    words = ["train", "--model", "mlp", "--data", f"folder:{shapes}", "--epochs", "60", "--out"]
    result = jcnn(*words, tmp_path / "a", "--learning-rate", "0.01")
    assert result.code == 0, result.err
    assert read_config(tmp_path / "a").input_shape == (28, 28, 1)
    assert json.loads(jcnn("evaluate", tmp_path / "a", "--json").out)["accuracy"] == 1.0
    chosen = ("--image-size", "9", "7", "--color", "rgb", "--resize", "crop", "--epochs", "1")
    assert jcnn(*words[:5], *chosen, "--out", tmp_path / "b").code == 0
    config = read_config(tmp_path / "b")
    assert (config.input_shape, config.resize) == ((9, 7, 3), "crop")
    assert jcnn("train", "--resume", tmp_path / "b", "--epochs", "2").code == 0


def test_bad_pictures_end_the_command_or_are_named(
    jcnn: Jcnn, shapes: Path, tmp_path: Path
) -> None:
    (shapes / "dark" / "0.jpg").write_bytes(b"no image")
    words = ["train", "--model", "mlp", "--data", f"folder:{shapes}", "--epochs", "1", "--out"]
    refused = jcnn(*words, tmp_path / "a")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert f"{shapes}/dark/0.jpg: " in refused.err
    assert not (tmp_path / "a").exists()
    skipped = jcnn(*words, tmp_path / "a", "--on-bad-image", "skip")
    assert skipped.code == 0
    assert any("dark/0.jpg" in line for line in skipped.err.splitlines() if "note: " in line)


def test_a_streamed_folder_says_so_and_gives_the_same(
    jcnn: Jcnn, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "--model", "mlp", "--data", f"folder:{shapes}", "--epochs", "2", "--out"]
    here = jcnn(*words, tmp_path / "a")
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "1000")
    there = jcnn(*words, tmp_path / "b")
    assert "streamed from disk" in there.err
    assert "streamed from disk" not in here.err
    assert here.out.splitlines()[0] == there.out.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--image-size 9 9", "--image-size: 'digits' takes none"),
        ("--color rgb", "--color: 'digits' takes none"),
        ("--augment shift,wobble", "augment: got 'wobble'; accepted: flip, "),
        ("--optimizer adm", "--optimizer"),
        ("--schedule exponential", "decay_epochs: got (); accepted: one number > 0"),
        ("--clip-norm 1 --clip-value 1", "None together with clip_value; at most one clip"),
        ("--patience 2", "monitor: got 'val_loss' without validation"),
        ("--class-weights 1 2", "class_weights: got 2; accepted: one for each of the 10"),
        ("--dropout 1", "dropout: got 1.0; accepted: 0 <= rate < 1"),
        ("--dropouts 0.5 2", "dropouts: got 2.0; accepted: 0 <= rate < 1"),
        ("--seeds 0", "seeds: got 0; accepted: an int >= 1"),
        ("--learning-rates 0", "learning_rate: got 0.0; accepted: a number > 0"),
        ("--seeds 2 --patience 2 --monitor loss", "patience: got 2; accepted: None for several"),
    ],
)
def test_a_setting_that_cannot_be(jcnn: Jcnn, tmp_path: Path, words: str, message: str) -> None:
    run = tmp_path / "run"
    result = jcnn("train", "--model", "mlp", "--data", "digits", "--out", run, *words.split())
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert not run.exists()
