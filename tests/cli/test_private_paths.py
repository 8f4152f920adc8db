"""What is made to be shared holds no path: reports, pages and pictures name last parts only."""

import base64
import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn.config import Population
from jcnn.data import Dataset, digits
from jcnn.data.sources import without_path
from jcnn.report import write_population_report
from jcnn.runs import create, read_config
from jcnn.runs.history import read_history
from jcnn.train.scores import scores
from tests.cli.conftest import Trained
from tests.cli.process import Result

Jcnn = Callable[..., Result]
PRIVATE = "ada-lovelace"
MODEL = """import math
from jcnn.layers import Dense, Flatten
def linear(input_shape, classes, *, rngs):
    return [Flatten(), Dense(math.prod(input_shape), classes, rngs=rngs)]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Path:
    """A private folder with pictures of digits, pets/CLASS/N.png, and a run of theirs."""
    home = tmp_path_factory.mktemp("home") / PRIVATE
    for folder in ("pets", "others"):
        _pictures(home / folder, digits()[1])
    shutil.copytree(trained.run, home / "RUN")
    shutil.rmtree(home / "RUN" / "report", ignore_errors=True)
    file = home / "RUN" / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["data"] = f"folder:{home / 'pets'}"
    file.write_text(json.dumps(config), encoding="utf-8")
    return home


def _pictures(folder: Path, part: Dataset) -> None:
    for label, name in enumerate(part.class_names):
        (folder / name).mkdir(parents=True)
        for row in np.flatnonzero(part.labels == label)[:5]:
            image = Image.fromarray(np.asarray(part.images)[row, ..., 0])
            image.save(folder / name / f"{row}.png")


def shared_bytes(file: Path) -> bytes:
    """The content of a file, with that of the data URIs in it."""
    content = file.read_bytes()
    inside = re.findall(rb"data:image/png;base64,([A-Za-z0-9+/=]+)", content)
    return b"\n".join([content, *map(base64.b64decode, inside)])


def test_a_report_and_its_pictures(jcnn: Jcnn, home: Path) -> None:
    for words in ([], ["--data", f"folder:{home / 'others'}"]):
        result = jcnn("report", home / "RUN", *words)
        assert (result.code, result.err) == (0, "")
        page = Path(result.out.strip())
        assert PRIVATE not in page.parent.name
        files = list(page.parent.iterdir())
        assert len(files) > 5
        assert [f.name for f in files if PRIVATE.encode() in shared_bytes(f)] == []
        text = page.read_text(encoding="utf-8")
        name = "others" if words else "pets"
        assert f"<title>conv1 on folder:{name}</title>" in text
        assert '<p class="where soft">RUN</p>' in text
        assert "--data folder:pets " in text
        assert "config.json has the whole path" in text
    assert "Test images of other data than the run&#x27;s: folder:others" in text


def test_the_report_of_a_population(home: Path, tmp_path: Path) -> None:
    run = tmp_path / PRIVATE / "RUN"
    config = dataclasses.replace(
        read_config(home / "RUN"),
        data="fashion_mnist",
        data_dir=f"/home/{PRIVATE}/files",
        population=Population(2),
    )
    create(run, config)
    test = digits()[1]
    found = scores(np.full((len(test), 10), 0.1), test.labels, test.class_names)
    history = read_history(home / "RUN" / "history.jsonl")
    names = ("member-0", "member-1")
    page = write_population_report(run, dict.fromkeys(names, history), dict.fromkeys(names, found))
    assert [f.name for f in page.parent.iterdir() if PRIVATE.encode() in shared_bytes(f)] == []
    text = page.read_text(encoding="utf-8")
    assert "--data-dir files" in text
    other = f"cifar10 in /home/{PRIVATE}/new files"
    page = write_population_report(
        run, dict.fromkeys(names, history), dict.fromkeys(names, found), data=other
    )
    assert PRIVATE not in page.parent.name
    assert PRIVATE.encode() not in shared_bytes(page)
    assert "2 runs of conv1 on cifar10 in new files" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ("explore", "RUN", "--index", "0", "--out", "page.html"),
        ("explore", "RUN", "--image", "PICTURE", "--out", "page.html"),
        ("explore", "MODEL", "--data", "PETS", "--index", "1", "--out", "page.html"),
        ("export", "RUN", "model.onnx"),
        ("draw", "strips", "RUN", "PICTURE", "--out", "strips.png"),
        ("draw", "filters", "RUN", "--out", "filters.png"),
    ],
    ids=["test images", "a file", "a file's model", "export", "strips", "filters"],
)
def test_pages_and_pictures_of_a_run(
    jcnn: Jcnn, home: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    places: dict[str, Path | str] = {
        "RUN": home / "RUN",
        "PICTURE": next((home / "pets" / "3").iterdir()),
    }
    (home / "net.py").write_text(MODEL, encoding="utf-8")
    places |= {"MODEL": f"{home / 'net.py'}:linear", "PETS": f"folder:{home / 'pets'}"}
    *most, name = words
    result = jcnn(*(places.get(word, word) for word in most), tmp_path / name)
    assert (result.code, result.err) == (0, "")
    assert PRIVATE.encode() not in shared_bytes(tmp_path / name)
    if "MODEL" in words:
        assert "<title>net.py:linear with random" in (tmp_path / name).read_text(encoding="utf-8")
    elif name == "page.html":
        assert "<title>conv1 on folder:pets" in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist5k", "mnist5k"),
        ("tfds:cats/small:1.0.0", "tfds:cats/small:1.0.0"),
        ("idx:/home/ada/my files/", "idx:my files"),
        ("npz:../secret/a.npz", "npz:a.npz"),
        ("folder:/", "folder:/"),
        ("folder:/home/ada in /paris/x", "folder:ada in x"),
        ("mnist in /home/ada/a b", "mnist in a b"),
        ("/home/ada/numbers", "numbers"),
        ("photos of May/June", "photos of May/June"),
    ],
)
def test_the_name_of_data_without_its_path(name: str, expected: str) -> None:
    assert without_path(name) == expected
