"""`jcnn evaluate` and `jcnn predict`: the library's numbers, for people and as JSON."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn.data import digits, read_image
from jcnn.runs import load
from jcnn.train import evaluate, predict, predict_logits
from jcnn.train.scores import scores
from tests.cli.conftest import Trained
from tests.cli.process import Result

Jcnn = Callable[..., Result]


def test_evaluate_gives_the_librarys_scores(jcnn: Jcnn, trained: Trained) -> None:
    result = jcnn("evaluate", trained.run, "--data", "digits", "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    model, config = load(trained.run)
    test = digits()[1]
    expected = evaluate(model, test, batch_size=config.train.batch_size)
    assert list(found)[:3] == ["loss", "accuracy", "n"]
    # Both from the logits: the one in float32, the other in float64.
    assert found["loss"] == pytest.approx(expected.loss, rel=1e-6)
    assert (found["accuracy"], found["n"]) == (expected.accuracy, 359)
    assert expected.accuracy > 0.8
    probabilities = predict(model, test.images, batch_size=config.train.batch_size)
    logits = np.asarray(predict_logits(model, test.images, batch_size=config.train.batch_size))
    assert found == scores(probabilities, test.labels, test.class_names, logits=logits).to_json()


def test_evaluate_takes_the_runs_data_where_none_is_named(jcnn: Jcnn, trained: Trained) -> None:
    result = jcnn("evaluate", trained.run)
    assert (result.code, result.err) == (0, "")
    found = json.loads(jcnn("evaluate", trained.run, "--data", "digits", "--json").out)
    first, *table = result.out.splitlines()
    assert first == (
        f"accuracy {found['accuracy']:.4f}, top-5 accuracy {found['top_k_accuracy']:.4f}, "
        f"loss {found['loss']:.4f}, calibration error {found['ece']:.4f} (359 images)"
    )
    rows = [line.split() for line in table]
    for entry in found["classes"]:
        numbers = [f"{entry[name]:.4f}" for name in ("precision", "recall", "f1")]
        assert [entry["name"], *numbers, str(entry["support"])] in rows
    assert trained.result.out.startswith(f"test accuracy {found['accuracy']:.4f}, ")


def test_report_makes_the_page_and_says_where(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    shutil.rmtree(run / "report", ignore_errors=True)
    result = jcnn("report", run)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{run / 'report' / 'index.html'}\n"
    found = json.loads(jcnn("evaluate", run, "--json").out)
    page = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert f"<dt>test accuracy</dt><dd>{found['accuracy']:.4f}</dd>" in page
    assert f"<dt>test loss</dt><dd>{found['loss']:.4f}</dd>" in page


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """A test digit in every file format, in sizes other than the model's."""
    digit = Image.fromarray(np.asarray(digits()[1].images)[0, ..., 0]).resize((31, 17))
    transparent = digit.convert("RGBA")
    transparent.putalpha(digit)
    wide = Image.fromarray(np.asarray(digit).astype(np.uint16) * 257)
    kinds = {
        "z_grey.png": digit,
        "rgb.png": digit.convert("RGB"),
        "rgba.png": transparent,
        "palette.gif": digit.convert("P"),
        "16 bit.png": wide,
        "a photo.jpg": digit.convert("RGB").resize((8, 40)),
    }
    for name, picture in kinds.items():
        picture.save(tmp_path / name)
    return [tmp_path / name for name in kinds]


def test_predict_gives_the_librarys_probabilities(
    jcnn: Jcnn, trained: Trained, pictures: list[Path]
) -> None:
    result = jcnn("predict", trained.run, *pictures, "--json")
    assert result.code == 0
    # What is transparent becomes white.
    assert result.err.startswith(f"hint: {pictures[2]} has a bright background")
    assert len(result.err.splitlines()) == 1
    found = json.loads(result.out)
    assert [entry["file"] for entry in found] == [str(file) for file in pictures]
    model, config = load(trained.run)
    expected = predict(model, np.stack([read_image(file, (8, 8, 1)) for file in pictures]))
    for entry, row in zip(found, expected, strict=True):
        assert list(entry) == ["file", "label", "probability", "probabilities"]
        assert list(entry["probabilities"]) == list(config.class_names) == list("0123456789")
        numbers = np.array(list(entry["probabilities"].values()), np.float32)
        np.testing.assert_array_equal(numbers, row)
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert entry["probability"] == max(entry["probabilities"].values())
        assert entry["probability"] == entry["probabilities"][entry["label"]]


def test_the_kind_of_file_does_not_matter(
    jcnn: Jcnn, trained: Trained, pictures: list[Path]
) -> None:
    grey, rgb, *_, wide, _ = json.loads(jcnn("predict", trained.run, *pictures, "--json").out)
    for other in (rgb, wide):
        assert other["label"] == grey["label"]
        assert other["probability"] == pytest.approx(grey["probability"], abs=0.02)


def test_predict_knows_most_digits(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    test = digits()[1]
    files = [tmp_path / f"{number}.png" for number in range(20)]
    for file, image in zip(files, np.asarray(test.images), strict=False):
        Image.fromarray(image[..., 0]).save(file)
    result = jcnn("predict", trained.run, *files)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert all(line.startswith(f"{file}: ") for line, file in zip(lines, files, strict=True))
    assert all(line.endswith("%)") for line in lines)
    labels = [int(line.split()[-2]) for line in lines]
    assert (np.array(labels) == test.labels[:20]).mean() > 0.7


def test_a_folder_and_a_pattern_are_their_files(
    jcnn: Jcnn, trained: Trained, pictures: list[Path]
) -> None:
    folder = pictures[0].parent
    (folder / "deeper").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    deep = folder / "deeper" / "[1].png"
    for copy in (deep, folder / ".hidden" / "thumb.png"):
        shutil.copy(folder / "rgb.png", copy)

    def files(*words: str | Path) -> list[str]:
        result = jcnn("predict", trained.run, *words, "--json")
        assert result.code == 0
        return [entry["file"] for entry in json.loads(result.out)]

    assert files(folder) == [str(file) for file in sorted([*pictures, deep])]
    assert files(folder / "*.png") == [str(file) for file in sorted(folder.glob("*.png"))]
    assert files(deep, folder / "deeper") == [str(deep)]  # its own name is no pattern


def test_one_damaged_file_among_good_ones(
    jcnn: Jcnn, trained: Trained, pictures: list[Path]
) -> None:
    bad = pictures[0].parent / "b.png"
    bad.write_bytes(pictures[0].read_bytes()[:60])
    gone = pictures[0].parent / "gone.png"
    words = [pictures[0], bad, gone, pictures[1]]
    good = jcnn("predict", trained.run, pictures[0], pictures[1])
    result = jcnn("predict", trained.run, *words)
    assert (result.code, result.out) == (1, good.out)
    damaged, missing, last = result.err.splitlines()
    assert damaged.startswith(f"jcnn: {bad}: damaged image")
    assert missing == f"jcnn: {gone}: no such file"
    assert last == "jcnn: 2 of 4 images could not be read"
    result = jcnn("predict", trained.run, *words, "--json")
    found = json.loads(result.out)
    assert (result.code, [entry["file"] for entry in found]) == (1, [str(file) for file in words])
    assert [list(entry) for entry in found[1:3]] == [["file", "error"]] * 2
    assert found[1]["error"] == damaged.removeprefix("jcnn: ")
    assert "label" in found[0] and "label" in found[3]


def test_the_most_probable_classes(jcnn: Jcnn, trained: Trained, pictures: list[Path]) -> None:
    found = json.loads(jcnn("predict", trained.run, *pictures, "--json", "--top", "3").out)
    lines = jcnn("predict", trained.run, *pictures, "--top", "3").out.splitlines()
    for entry, line in zip(found, lines, strict=True):
        named = sorted(entry["probabilities"].items(), key=lambda pair: -pair[1])[:3]
        assert [(best["label"], best["probability"]) for best in entry["top"]] == named
        assert entry["label"] == entry["top"][0]["label"]
        said = ", ".join(f"{name} ({probability:.1%})" for name, probability in named)
        assert line == f"{entry['file']}: {said}"
    whole = json.loads(jcnn("predict", trained.run, pictures[0], "--json", "--top", "10").out)
    assert sorted(best["label"] for best in whole[0]["top"]) == list("0123456789")


def test_predictions_as_a_table(jcnn: Jcnn, trained: Trained, pictures: list[Path]) -> None:
    awkward = pictures[0].parent / 'a, "b"\nc.png'
    shutil.copy(pictures[0], awkward)
    files = [*pictures, awkward]
    found = json.loads(jcnn("predict", trained.run, *files, "--json", "--top", "2").out)
    result = jcnn("predict", trained.run, *files, "--csv")
    assert result.code == 0
    header, *rows = csv.reader(result.out.splitlines(keepends=True))
    assert header == ["file", "class", "probability"]
    for row, entry in zip(rows, found, strict=True):
        assert row == [entry["file"], entry["label"], str(entry["probability"])]
    result = jcnn("predict", trained.run, *files, "--csv", "--top", "2")
    header, *rows = csv.reader(result.out.splitlines(keepends=True))
    assert header == ["file", "class_1", "probability_1", "class_2", "probability_2"]
    for row, entry in zip(rows, found, strict=True):
        cells = [str(best[key]) for best in entry["top"] for key in ("label", "probability")]
        assert row == [entry["file"], *cells]


def test_a_damaged_file_may_stop_the_prediction(
    jcnn: Jcnn, trained: Trained, pictures: list[Path]
) -> None:
    bad = pictures[0].parent / "b.png"
    bad.write_bytes(pictures[0].read_bytes()[:60])
    words = [pictures[0], bad, pictures[1]]
    result = jcnn("predict", trained.run, *words, "--on-bad-image", "error")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"jcnn: {bad}: damaged image")
    skipped = jcnn("predict", trained.run, *words, "--on-bad-image", "skip")
    assert skipped == jcnn("predict", trained.run, *words)
    table = jcnn("predict", trained.run, *words, "--csv")
    assert (table.code, table.out.count("\n")) == (1, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--top", "0"], "--top: got 0; accepted: 1 to the number of classes"),
        (["--top", "11"], "--top: got 11; accepted: 1 to 10, the classes"),
        (["--json", "--csv"], "--csv: give either it or --json, not both"),
    ],
)
def test_options_of_predict_that_do_not_fit(
    jcnn: Jcnn, trained: Trained, pictures: list[Path], words: list[str], message: str
) -> None:
    result = jcnn("predict", trained.run, pictures[0], *words)
    assert result == Result(2, "", f"jcnn: {message}\n")


def test_a_hint_at_images_of_the_other_polarity(
    jcnn: Jcnn, trained: Trained, tmp_path: Path
) -> None:
    images = np.asarray(digits()[1].images)[:3, ..., 0]
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"own{i}.png")
        Image.fromarray(255 - image).save(tmp_path / f"inverted{i}.png")
    own = jcnn("predict", trained.run, *sorted(tmp_path.glob("own*")))
    assert (own.code, own.err) == (0, "")
    both = jcnn("predict", trained.run, tmp_path)
    assert both.err == (
        f"hint: 3 of 6 images, such as {tmp_path}/inverted0.png, have a bright background "
        "(brightness at the border 1.00), and the training images a dark one (0.00); the model "
        "may need them inverted\n"
    )
    # The predictions are those of the images as they are.
    assert both.out.splitlines()[3:] == own.out.splitlines()
    one = jcnn("predict", trained.run, tmp_path / "inverted1.png", "--json")
    assert one.err.startswith(f"hint: {tmp_path}/inverted1.png has a bright background (")
    assert len(json.loads(one.out)) == 1
    # A run of an older version does not know its background.
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    content = json.loads((run / "config.json").read_text())
    assert content.pop("border") == [0.0, 0.0]
    (run / "config.json").write_text(json.dumps(content))
    assert jcnn("predict", run, tmp_path / "inverted1.png").err == ""
