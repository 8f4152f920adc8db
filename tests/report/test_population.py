"""The report of several runs: means and deviations against Python's own statistics."""

import dataclasses
import math
import statistics
from pathlib import Path

import numpy as np
import pytest

from jcnn import runs
from jcnn.config import Population, TrainConfig
from jcnn.report import write_population_report
from jcnn.runs import RunConfig
from jcnn.runs.history import History
from jcnn.train.scores import Scores, scores
from tests.report.pages import pixels, read_page
from tests.report.test_figures import history

NAMES = ("<b>bold</b>", "b", "c")
CONFIG = RunConfig(
    "mlp_dropout",
    (8, 8, 1),
    NAMES,
    "digits",
    None,
    TrainConfig(epochs=4, seed=5),
    population=Population(2, (0.001, 0.1)),
)


def members(validated: bool = True) -> tuple[dict[str, History], dict[str, Scores]]:
    """Four members, each worse than the one before."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    found = {}
    for i in range(4):
        logits = rng.normal(size=(200, 3)) * (1 + i)
        logits[np.arange(200), labels] += 3
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        found[f"member-{i}"] = scores(p, labels, NAMES)
    return {name: history(4, validated=validated, shift=i) for i, name in enumerate(found)}, found


@pytest.mark.parametrize("validated", [True, False])
def test_the_numbers(tmp_path: Path, validated: bool) -> None:
    histories, found = members(validated)
    runs.create(tmp_path, CONFIG)
    page = read_page(write_population_report(tmp_path, histories, found))
    accuracies = [s.accuracy for s in found.values()]
    losses = [s.loss for s in found.values()]
    facts = page.root.all("dl")[0].facts()
    assert facts["runs"] == "4"
    assert facts["mean test accuracy"] == (
        f"{statistics.mean(accuracies):.4f} ± {statistics.stdev(accuracies):.4f}"
    )
    assert facts["mean test loss"] == (
        f"{statistics.mean(losses):.4f} ± {statistics.stdev(losses):.4f}"
    )
    assert facts["lowest"] == f"{min(accuracies):.4f}"
    assert facts["highest"] == f"{max(accuracies):.4f}"
    assert facts["diverged"] == "0"
    header, *rows, means, deviations = page.section("runs").all("table")[0].rows()
    columns = ["run", "seed", "learning_rate", "test accuracy", "test loss", "calibration error"]
    columns += ["training accuracy", *(["validation accuracy"] if validated else [])]
    assert header == columns
    assert [row[:3] for row in rows] == [
        ["member-0", "5", "0.001"],
        ["member-1", "6", "0.001"],
        ["member-2", "5", "0.1"],
        ["member-3", "6", "0.1"],
    ]
    assert [row[3] for row in rows] == [f"{accuracy:.4f}" for accuracy in accuracies]
    assert [row[4] for row in rows] == [f"{loss:.4f}" for loss in losses]
    assert means[3:5] == [f"{statistics.mean(x):.4f}" for x in (accuracies, losses)]
    assert deviations[3:5] == [f"{statistics.stdev(x):.4f}" for x in (accuracies, losses)]
    header, low, high = page.section("runs").all("table")[1].rows()
    assert header == columns[2:]
    for row, rate, two in ((low, "0.001", accuracies[:2]), (high, "0.1", accuracies[2:])):
        assert row[:2] == [rate, f"{statistics.mean(two):.4f} ± {statistics.stdev(two):.4f}"]
    recalls = [s.classes[0].recall for s in found.values()]
    first = page.section("classes").all("table")[0].rows()[1]
    assert first[0] == "<b>bold</b>"
    assert first[3:5] == [f"{f(recalls):.4f}" for f in (statistics.mean, statistics.stdev)]
    command = page.section("repeat").all("code")[0].text
    assert "--seeds 2 --learning-rates 0.001 0.1" in command
    assert "--seed 5" in command
    (best,) = [p for p in page.root.all("p") if p.attributes.get("class") == "best"]
    by, column = ("validation accuracy", "val_accuracy") if validated else ("training loss", "loss")
    last = {name: row[column][-1] for name, row in histories.items()}
    name = (max if validated else min)(last, key=lambda name: last[name])
    assert best.text.startswith(f"{name} has the best {by}, {last[name]:.4f}; its test accuracy is")
    assert best.all("a") == []
    for image in page.root.all("img"):
        assert pixels(image.attributes["src"]).std() > 0
    assert {p.name for p in page.file.parent.iterdir()} == {
        "index.html",
        "accuracy.png",
        "loss.png",
    }


def test_a_member_that_diverged_is_left_out(tmp_path: Path) -> None:
    histories, found = members()
    last = histories["member-3"].epochs[-1]
    lost = dataclasses.replace(last, loss=math.nan, accuracy=math.nan, val_accuracy=math.nan)
    histories["member-3"] = History((*histories["member-3"].epochs[:-1], lost))
    del found["member-3"]
    runs.create(tmp_path, CONFIG)
    page = read_page(write_population_report(tmp_path, histories, found))
    accuracies = [s.accuracy for s in found.values()]
    assert page.root.all("dl")[0].facts()["diverged"] == "1"
    *_, row, means, deviations = page.section("runs").all("table")[0].rows()
    assert row == ["member-3", "6", "0.1", "-", "-", "-", "-", "-"]
    assert means[3] == f"{statistics.mean(accuracies):.4f}"
    assert deviations[3] == f"{statistics.stdev(accuracies):.4f}"
    curves = page.section("curves")
    assert "1 of them diverged and is left out" in curves.text
    # Of the first three, whose losses end at 1/4 plus 0, 1 and 2.
    assert "training 1.2500" in curves.all("img")[1].attributes["alt"]


def test_members_that_are_not_those_of_the_run(tmp_path: Path) -> None:
    histories, found = members()
    runs.create(tmp_path, CONFIG)
    with pytest.raises(ValueError, match=r"^histories: got 3; accepted: one for each of 4 models"):
        write_population_report(tmp_path, dict(list(histories.items())[:3]), found)
    for wrong, got in (({}, "none"), ({"other": found["member-0"]}, "other")):
        message = f"^test_scores: got {got}; accepted: at least one of member-0, member-1"
        with pytest.raises(ValueError, match=message):
            write_population_report(tmp_path, histories, wrong)
    assert not (tmp_path / "report").exists()
