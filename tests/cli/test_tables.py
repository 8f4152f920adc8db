"""`jcnn summary`, `jcnn models` and `jcnn data`: tables for people, JSON for programs."""

import json
from collections.abc import Callable

import pytest

from jcnn.data import SOURCES
from jcnn.models import ZOO
from tests.cli.process import Result

Jcnn = Callable[..., Result]


def test_summary_as_json(jcnn: Jcnn) -> None:
    result = jcnn("summary", "conv4", "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert found["model"] == "conv4"
    assert found["params"] == 192330
    assert found["input_shape"] == [28, 28, 1]
    first = found["layers"][0]
    assert (first["name"], first["type"]) == ("conv2d", "Conv2D")
    assert (first["output_shape"], first["params"]) == ([28, 28, 32], 320)
    assert first["receptive_field"] == [3, 3]
    assert sum(layer["params"] for layer in found["layers"]) == 192330
    assert sum(layer["multiply_adds"] for layer in found["layers"]) == found["multiply_adds"]


def test_summary_of_other_pictures(jcnn: Jcnn) -> None:
    words = "summary conv1 --input-shape 8 8 3 --classes 4 --json"
    found = json.loads(jcnn(*words.split()).out)
    assert found["input_shape"] == [8, 8, 3]
    assert found["layers"][-1]["output_shape"] == [4]
    assert found["params"] == 28 * 32 + (8 * 8 * 32 + 1) * 4


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (80, "conv4"),
        (120, "creatures"),
        pytest.param(120, "conv4", marks=pytest.mark.slow),
        pytest.param(80, "creatures", marks=pytest.mark.slow),
    ],
)
def test_summary_as_a_table(
    jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    found = json.loads(jcnn("summary", name, "--json").out)
    result = jcnn("summary", name)
    assert (result.code, result.err) == (0, "")
    lines = [line.split() for line in result.out.splitlines() if line.strip()]
    (total,) = [line for line in lines if line[0] == "total"]
    assert total[1:3] == [f"{found['params']:,}", f"{found['multiply_adds']:,}"]
    table = {line[0]: line for line in lines}
    for layer in found["layers"]:
        shape = "x".join(map(str, layer["output_shape"]))
        numbers = [f"{layer['params']:,}", f"{layer['multiply_adds']:,}"]
        assert table[layer["name"]][1:4] == [shape, *numbers]


def test_a_summary_of_branches_fits_80_columns(jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shape = ["--input-shape", "64", "64", "3"]
    lines = jcnn("summary", "resnet18", *shape).out.splitlines()
    assert max(map(len, lines)) <= 80
    (at,) = [i for i, line in enumerate(lines) if line.split()[:2] == ["layer2/0", "add"]]
    assert lines[at].split() == ["layer2/0", "add", "8x8x128", "0", "0", "32.0", "KiB", "67x67"]
    assert [line.strip() for line in lines[at + 1 : at + 3]] == [
        "<layer2/0/bn2",
        "<layer2/0/downsample/1",
    ]
    found = json.loads(jcnn("summary", "resnet18", *shape, "--json").out)
    (add,) = [layer for layer in found["layers"] if layer["name"] == "layer2/0 add"]
    assert add["inputs"] == ["layer2/0/bn2", "layer2/0/downsample/1"]
    assert found["preprocessing"] == ""


def test_models(jcnn: Jcnn) -> None:
    found = json.loads(jcnn("models", "--json").out)
    assert [row["name"] for row in found] == list(ZOO)
    columns = ["name", "params", "multiply_adds", "input_shape", "classes", "source", "layers"]
    assert list(found[0]) == columns
    params = {row["name"]: row["params"] for row in found}
    assert params["conv4"] == 192330
    assert params["creatures"] == 17403430
    table = jcnn("models")
    assert (table.code, table.err) == (0, "")
    for row in found:
        assert row["name"] in table.out
        assert f"{row['params']:,}" in table.out
        assert f"{row['multiply_adds']:,}" in table.out


def test_data(jcnn: Jcnn) -> None:
    found = json.loads(jcnn("data", "--json").out)
    assert [row["name"] for row in found] == [source.name for source in SOURCES]
    assert list(found[0]) == ["name", "description", "takes_data_dir"]
    offline = {row["name"] for row in found if row["takes_data_dir"]}
    assert {"fashion_mnist", "tfds:NAME"} < offline
    assert offline.isdisjoint({"mnist5k", "idx:DIR", "folder:DIR"})
    table = jcnn("data")
    assert (table.code, table.err) == (0, "")
    for source in SOURCES:
        assert source.name in table.out
        assert source.description in table.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--help"], ["train", "evaluate", "predict", "report", "summary", "models", "data"]),
        (["train", "--help"], ["--resume RUN", "(default: conv4)", "--batch-size INT"]),
        (["predict", "--help"], ["RUN", "IMAGE [IMAGE ...]", "--json"]),
    ],
)
def test_help(
    capsys: pytest.CaptureFixture[str], jcnn: Jcnn, words: list[str], expected: list[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        jcnn(*words)
    assert not stop.value.code
    shown = capsys.readouterr()
    assert shown.err == ""
    for text in expected:
        assert text in shown.out
