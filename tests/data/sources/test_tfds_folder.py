"""Names of tensorflow-datasets, and the folders of prepared data sets."""

import json
import re
from pathlib import Path

import pytest

from jcnn.data.sources.tfds.folder import (
    TfdsName,
    find_prepared,
    fingerprint,
    parse_name,
    tfds_home,
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mnist", TfdsName("mnist")),
        ("cifar10:3.0.2", TfdsName("cifar10", version="3.0.2")),
        ("emnist/balanced", TfdsName("emnist", "balanced")),
        ("imagenette/320px-v2:1.*.*", TfdsName("imagenette", "320px-v2", "1.*.*")),
    ],
)
def test_a_name_is_taken_apart_and_put_together(words: str, expected: TfdsName) -> None:
    assert parse_name(words) == expected
    assert str(expected) == words


@pytest.mark.parametrize(
    "words",
    [
        *("", "..", "../mnist", "mnist/..", "/etc", "mnist/", "mnist:", "mnist/a/b", "mnist:x"),
        *("a\nb", "huggingface:mnist", "mnist\n", "Mnist", "m\u0301nist", "mnist/a..b"),
    ],
)
def test_other_names_are_refused(words: str) -> None:
    message = f"tfds: got {words!r}; expected NAME, NAME/CONFIG or NAME/CONFIG:VERSION"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_name(words)


def prepared(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{}", encoding="utf-8")
    return folder


def test_the_newest_version_is_found(tmp_path: Path) -> None:
    for version in ("3.0.9", "3.0.10", "2.11.0", "incomplete.AB_4.0.0"):
        prepared(tmp_path / "mnist" / version)
    (tmp_path / "mnist" / "5.0.0").mkdir()  # an empty folder is ignored
    found = {
        words: find_prepared(tmp_path, parse_name(words))
        for words in ("mnist", "mnist:3.0.9", "mnist:2.*.*", "mnist:4.0.0", "mnist/a", "kmnist")
    }
    versions = {words: folder and folder.name for words, folder in found.items()}
    assert versions == {
        "mnist": "3.0.10",
        "mnist:3.0.9": "3.0.9",
        "mnist:2.*.*": "2.11.0",
        "mnist:4.0.0": None,
        "mnist/a": None,
        "kmnist": None,
    }


def test_the_default_configuration_is_the_recorded_one(tmp_path: Path) -> None:
    for config in ("byclass", "balanced"):
        prepared(tmp_path / "emnist" / config / "3.1.0")
    assert find_prepared(tmp_path, parse_name("emnist")) is None
    record = tmp_path / "emnist" / ".config" / "metadata.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"default_config_name": "balanced"}), encoding="utf-8")
    for words, config in (("emnist", "balanced"), ("emnist/byclass", "byclass")):
        found = find_prepared(tmp_path, parse_name(words))
        assert found == tmp_path / "emnist" / config / "3.1.0"
    record.write_text("[]", encoding="utf-8")
    assert find_prepared(tmp_path, parse_name("emnist")) is None


def test_the_home_is_tfds_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    assert tfds_home() == tmp_path / "tensorflow_datasets"
    monkeypatch.setenv("TFDS_DATA_DIR", "~/sets")
    assert tfds_home() == tmp_path / "sets"


def test_any_change_of_the_files_changes_the_fingerprint(tmp_path: Path) -> None:
    first = prepared(tmp_path / "a")
    states = [fingerprint(first)]
    (first / "records").write_bytes(b"12")
    states.append(fingerprint(first))
    (first / "records").write_bytes(b"123")
    states.append(fingerprint(first))
    (first / "records").rename(first / "others")
    states.append(fingerprint(first))
    states.append(fingerprint(prepared(tmp_path / "b")))
    assert len(set(states)) == 5
    assert fingerprint(first) == states[3]
