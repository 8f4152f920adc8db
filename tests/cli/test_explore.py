"""`jcnn explore`: choice of model and images, and the content of the page."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jcnn.data import digits, mnist5k, read_image
from jcnn.layers import Sequential
from jcnn.runs import load
from tests.cli.conftest import Trained
from tests.cli.process import Result

Jcnn = Callable[..., Result]


def content_of(file: Path) -> dict[str, Any]:
    found = re.search(
        r'<script id="network" type="application/json">(.*?)</script>',
        file.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert found is not None
    content: dict[str, Any] = json.loads(found.group(1))
    return content


def assert_shows(content: dict[str, Any], images: Any, labels: list[int | None]) -> None:
    shown = [base64.b64decode(picture["pixels"]) for picture in content["pictures"]]
    assert shown == [np.asarray(image).tobytes() for image in images]
    assert [picture["label"] for picture in content["pictures"]] == labels


def test_a_run_with_one_picture_of_each_class(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    result = jcnn("explore", trained.run, "--out", out)
    assert result == Result(0, f"{out}\n", "")
    content = content_of(out)
    assert content["title"] == "conv1 on digits"
    assert content["classes"] == [*"0123456789"]
    _, test = digits()
    rows = [int(np.flatnonzero(test.labels == label)[0]) for label in range(10)]
    assert_shows(content, test.images[np.array(rows)], [*range(10)])
    assert [picture["name"] for picture in content["pictures"]] == [f"test {row}" for row in rows]


def test_a_runs_own_parameters_and_chosen_pictures(
    jcnn: Jcnn, trained: Trained, tmp_path: Path
) -> None:
    out, file = tmp_path / "page.html", tmp_path / "<x>.png"
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    Image.fromarray(pixels).save(file)
    words = ["--image", file, "--index", "7", "3", "--out", out]
    assert jcnn("explore", trained.run, *words).code == 0
    content = content_of(out)
    _, test = digits()
    image = read_image(file, (8, 8, 1))
    labels = [None, int(test.labels[7]), int(test.labels[3])]
    assert_shows(content, [image, *test.images[np.array([7, 3])]], labels)
    assert [picture["name"] for picture in content["pictures"]] == ["<x>.png", "test 7", "test 3"]
    model, _ = load(trained.run)
    assert isinstance(model, Sequential)
    _, shape = content["layers"][-2]["arrays"]["kernel"]
    assert tuple(shape) == model.dense.kernel.shape


def test_a_picture_alone_reads_no_data(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (5, 5), 9).save("nine.png")
    assert jcnn("explore", "mlp", "--image", "nine.png").out.splitlines()[0] == "page.html"
    content = content_of(tmp_path / "page.html")
    assert_shows(content, [np.full((28, 28, 1), 9, np.uint8)], [None])


def test_a_model_of_the_zoo_says_that_it_is_not_trained(jcnn: Jcnn, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert jcnn("explore", "mlp", "--index", "5", "--out", out).code == 0
    content = content_of(out)
    assert content["title"] == "mlp with random parameters, not trained"
    _, test = mnist5k()
    assert_shows(content, test.images[5:6], [int(test.labels[5])])


def test_a_model_of_the_zoo_on_other_data(jcnn: Jcnn, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    result = jcnn("explore", "conv2pool", "--data", "digits", "--index", "0", "--out", out)
    assert (result.code, result.err) == (0, "")
    assert content_of(out)["input"]["shape"] == [8, 8, 1]


def test_too_many_pictures(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    rows = [str(i) for i in range(17)]
    result = jcnn("explore", trained.run, "--out", tmp_path / "a.html", "--index", *rows)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jcnn: images: got (17, 8, 8, 1)")
    assert list(tmp_path.iterdir()) == []


def test_the_images_that_activate_a_channel_most(
    jcnn: Jcnn, trained: Trained, tmp_path: Path
) -> None:
    """Of the first N test images; an image file alone stays the only one that is shown."""
    out, file = tmp_path / "page.html", tmp_path / "x.png"
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(file)
    words = ["--image", file, "--top-images", "20", "--out", out]
    assert jcnn("explore", trained.run, *words).code == 0
    content = content_of(out)
    assert len(content["pictures"]) == 1
    top = content["top"]
    assert top["count"] == 20
    _, test = digits()
    known = {image.tobytes() for image in test.images[:20]}
    assert {base64.b64decode(picture) for picture in top["pictures"]} <= known
    result = jcnn("explore", trained.run, "--top-images", "-1", "--out", out)
    assert result.code == 2
    assert result.err.startswith("jcnn: --top-images: got -1; accepted: 0 or more")


def test_images_that_maximise_the_channels(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    words = ["--index", "0", "--maximise", "2", "--out", out]
    assert jcnn("explore", trained.run, *words) == Result(0, f"{out}\n", "")
    (stage,) = content_of(out)["maximised"]["stages"]
    assert [len(base64.b64decode(one["pixels"])) for one in stage["channels"]] == [64, 64]
    assert all(one["value"] > 0 for one in stage["channels"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["conv1", "--maximise", "17"], "--maximise: got 17; accepted: 0 to 16"),
        (["conv1", "--maximise", "-1"], "--maximise: got -1; accepted: 0 to 16"),
        (["mlp", "--maximise", "1"], "maximise: the model has no convolution; accepted: 0"),
    ],
)
def test_what_cannot_be_maximised_is_refused(
    jcnn: Jcnn, tmp_path: Path, words: list[str], message: str
) -> None:
    image = ["--data", "digits", "--index", "0", "--out", tmp_path / "a.html"]
    assert jcnn("explore", *words, *image) == Result(2, "", f"jcnn: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_parameters_rounded_to_float16(jcnn: Jcnn, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    words = ["mlp", "--data", "digits", "--index", "0", "--half", "--out", out]
    assert jcnn("explore", *words) == Result(0, f"{out}\n", "")
    assert content_of(out)["half"] is True


def test_training_images_to_learn_in_the_page(jcnn: Jcnn, tmp_path: Path) -> None:
    """N of them in random order, with their labels; the policy allows the page's own worker."""
    out = tmp_path / "page.html"
    words = ["mlp", "--data", "digits", "--index", "0", "--learn", "30", "--out", out]
    assert jcnn("explore", *words) == Result(0, f"{out}\n", "")
    learn = content_of(out)["learn"]
    train, _ = digits()
    every = np.asarray(train.images)
    known = {one.tobytes(): int(label) for one, label in zip(every, train.labels, strict=True)}
    pixels = base64.b64decode(learn["pixels"])
    images = [pixels[64 * i : 64 * (i + 1)] for i in range(30)]
    assert [known[image] for image in images] == learn["labels"]
    assert images != [every[i].tobytes() for i in range(30)]
    assert "worker-src blob:" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mlp", "--learn", "-1"], "--learn: got -1; accepted: 0 or more"),
        (["mlp", "--learn", "9999"], "--learn: got 9,999; accepted: 1,438 at most (of 1,438 train"),
        (["mlp", "--learn", "5"], "learn: got 5 images; accepted: (M, 8, 8, 1) of uint8, 10 <= M"),
        (["conv2", "--learn", "50"], "learn: the model has 59,786 parameters; accepted: 1 to 30,"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    jcnn: Jcnn, tmp_path: Path, words: list[str], message: str
) -> None:
    result = jcnn(
        "explore", *words, "--data", "digits", "--index", "0", "--out", tmp_path / "a.html"
    )
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"jcnn: {message}")
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
