"""One line that names file and member for all that can be wrong with shards."""

import gzip
import io
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jcnn.data import DataError, Note, Reading, load
from tests.data.sources.image_folders import notes
from tests.data.sources.shard_files import png, samples, write_parquet, write_tar

GOOD = samples([0, 1] * 4)


def refused(name: str, error: type[Exception] = DataError) -> str:
    with pytest.raises(error) as caught:
        load(name)
    assert str(caught.value).isprintable()
    return str(caught.value)


def refused_tar(folder: Path, members: Mapping[str, bytes | str]) -> str:
    path = write_tar(folder / "x.tar", {**GOOD, **members})
    message = refused(f"tar:{path}")
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"9.png": png(9)}, "9.png: no label; expected 9.cls or .json"),
        ({"9.cls": "1"}, "9: a label without a picture"),
        ({"9.png": png(9), "9.cls": "-1"}, "9.cls: label -1; expected 0 or more"),
        (
            {"9.png": png(9), "9.cls": ""},
            "9.cls: label ''; expected a number or a name of one line",
        ),
        ({"9.png": png(9), "9.cls": b"\xff"}, r"9.cls: b'\xff' is no label; expected UTF-8 text"),
        ({"9.png": png(9), "9.json": "[1]"}, "9.json: '[1]' is no label; expected a JSON object"),
        ({"9.png": png(9), "9.json": '{"label": 1'}, "9.json: b'{\"label\": 1' is no label"),
        ({"9.png": png(9), "9.json": '{"label": 1.5}'}, "9.json: label '1.5'; expected a number"),
        ({"9.png": png(9), "9.json": '{"caption": 1}'}, "9.png: no label; expected 9.cls or .json"),
        ({"9.png": png(9), "9.cls": "dog"}, "9.png: a name for a label, but a number at "),
        ({"9.png": png(9), "9.cls": "100000"}, "9.png: label 100000; expected less than 100000"),
        ({"9.png": png(9), "9.jpg": png(9)}, "9.jpg: a second picture of this name, after 9.png"),
        ({"../9.png": png(9), "../9.cls": "1"}, "../9.png: its name leads out of the archive"),
        ({"/9.png": png(9)}, "/9.png: its name leads out of the archive"),
        ({"9.png": b"no picture", "9.cls": "1"}, "9.png: not an image; expected one of"),
        ({"9.png": png(9)[:-40], "9.cls": "1"}, "9.png: damaged image"),
    ],
)
def test_members_that_cannot_be_used(
    tmp_path: Path, members: Mapping[str, bytes | str], reason: str
) -> None:
    assert refused_tar(tmp_path, members).startswith(reason)


def test_they_can_be_skipped(tmp_path: Path, stream: Callable[[], None]) -> None:
    members: dict[str, bytes | str] = {"9.png": png(9), "10.png": b"none", "10.cls": "1"}
    path = write_tar(tmp_path / "x.tar", GOOD | members)
    formats = "BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"
    expected = [
        f"skipped {path}: 9.png: no label; expected 9.cls or .json",
        f"skipped {path}: 10.png: not an image; expected one of {formats}",
    ]
    for _ in range(2):
        events: list[Note | Reading] = []
        train, test = load(f"tar:{path}", on_bad_image="skip", notify=events.append)
        assert len(train) + len(test) == 8
        assert [note for note in notes(events) if note.startswith("skipped")] == expected
        stream()


def test_one_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("a/1.png", "a/1.png"):
            info = tarfile.TarInfo(name)
            info.size = len(png(1))
            archive.addfile(info, io.BytesIO(png(1)))
    assert refused(f"tar:{path}") == (
        f"{path}: a/1.png: a second picture of this name, after a/1.png; expected different names"
    )


def test_a_link_is_no_picture(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", GOOD)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("9.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    assert refused(f"tar:{path}") == f"{path}: 9.png: a link or device; expected a file"


@pytest.mark.parametrize("cut", [100, 512 * 3 + 7, 4 * 512, 10_000])
def test_a_cut_archive(tmp_path: Path, cut: int) -> None:
    path = write_tar(tmp_path / "x.tar", GOOD)
    path.write_bytes(path.read_bytes()[:cut])
    message = refused(f"tar:{path}")
    assert message.startswith(f"{path}: ")
    assert "cut off" in message


def test_other_files(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", GOOD)
    plain = path.read_bytes()
    path.write_bytes(gzip.compress(plain))
    assert refused(f"tar:{path}").startswith(f"{path}: compressed by gzip; expected a plain tar")
    path.write_bytes(plain + plain)
    assert "more data after 007.cls, behind the end of the archive" in refused(f"tar:{path}")
    path.write_bytes(b"")
    assert "cut off" in refused(f"tar:{path}")
    path.write_bytes(b"no archive " * 100)
    assert refused(f"tar:{path}").startswith(f"{path}: damaged or cut off at its first member")


def test_an_archive_that_changed_beneath_its_index(
    tmp_path: Path, stream: Callable[[], None]
) -> None:
    path = write_tar(tmp_path / "x.tar", GOOD)
    stream()
    train, _ = load(f"tar:{path}", image_shape=(4, 6, 1))
    content = path.read_bytes()
    path.write_bytes(bytes(512) + content[:-512])
    with pytest.raises(DataError, match=r"x\.tar: \d{3}\.png: is not where the index has it"):
        train.images[np.arange(3)]
    path.unlink()
    with pytest.raises(DataError, match=r"x\.tar: \d{3}\.png: cannot be read \(No such file"):
        train.images[np.arange(3)]


def test_files_that_do_not_match(tmp_path: Path) -> None:
    write_tar(tmp_path / "train-0.tar", GOOD)
    write_tar(tmp_path / "more.tar", samples([0, 1], first=50))
    message = refused(f"tar:{tmp_path}/*.tar")
    assert message == f"{tmp_path}/more.tar: no train, val or test in its name, as in train-0.tar"
    none = f"{tmp_path}/*.tgz: no file that ends in .tar matches"
    assert refused(f"tar:{tmp_path}/*.tgz", FileNotFoundError) == none
    assert refused(f"tar:{tmp_path}", FileNotFoundError) == (
        f"{tmp_path}: no file that ends in .tar matches; did you mean 'tar:{tmp_path}/*.tar'?"
    )
    shutil.move(tmp_path / "more.tar", tmp_path / "x.tar.gz")
    assert "a compressed archive has to be unpacked" in refused(
        f"tar:{tmp_path}/*.tar.gz", FileNotFoundError
    )
    with pytest.raises(ValueError, match=r"did you mean 'tar:.*/train-0\.tar'\?$"):
        load(f"{tmp_path}/train-0.tar")
    with pytest.raises(ValueError, match=r"did you mean 'tar:.*/\*\.tar'\?$"):
        load(f"{tmp_path}")


def test_labels_beyond_the_list_of_classes(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", samples([0, 1, 2] * 3))
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert refused(f"tar:{path}").startswith(
        f"{path}: 002.png: label 2; expected one of the 2 classes"
    )
    (tmp_path / "classes.txt").write_text("a\na\n")
    assert refused(f"tar:{path}") == (
        f"{tmp_path}/classes.txt: line 2 is 'a'; expected a new class name"
    )


# --- Parquet --------------------------------------------------------------------------------------


def test_columns_that_are_no_pictures_or_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"picture": [b"a"], "label": [0]}), path)
    assert refused(f"parquet:{path}") == (
        f"{path}: columns picture (binary), label (int64); expected a struct column with the field "
        f"bytes"
    )
    image = pa.array([{"bytes": png(0)}])
    pq.write_table(pa.table({"image": image, "tag": [0]}), path)
    assert refused(f"parquet:{path}").endswith(
        "expected a label column, by one of the names label, labels, cls, class, class_name, "
        "fine_label or as a ClassLabel"
    )
    pq.write_table(pa.table({"image": image, "label": [0.5]}), path)
    assert refused(f"parquet:{path}") == (
        f"{path}: column label holds double; expected integers or strings"
    )


def test_damaged_parquet(tmp_path: Path, stream: Callable[[], None]) -> None:
    path = write_parquet(tmp_path / "x.parquet", [0, 1] * 4)
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    assert refused(f"parquet:{path}").startswith(f"{path}: not a Parquet file (")
    path.write_bytes(content)
    stream()
    train, _ = load(f"parquet:{path}", image_shape=(4, 6, 1))
    second = pq.ParquetFile(path).metadata.row_group(1).column(0)
    place = second.dictionary_page_offset or second.data_page_offset
    path.write_bytes(content[:place] + bytes(60) + content[place + 60 :])
    with pytest.raises(DataError, match=r"x\.parquet: row group 1: cannot be read"):
        train.images[:]


def test_rows_without_a_label_or_bytes(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", [0, 1, -1, 1] * 3)
    assert refused(f"parquet:{path}") == f"{path}: row 2: label -1; expected 0 or more"
    path = write_parquet(tmp_path / "x.parquet", [0, 1, None, 1] * 3)
    assert refused(f"parquet:{path}") == f"{path}: row 2: no label"
    train, test = load(f"parquet:{path}", on_bad_image="skip")
    assert len(train) + len(test) == 9
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": None, "path": "a.png"}] * 3, kind)
    pq.write_table(pa.table({"image": images, "label": [0, 1, 0]}), path)
    assert refused(f"parquet:{path}") == (
        f"{path}: a.png: no bytes in row 0; expected the encoded image"
    )


def test_other_class_names_in_another_file(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train-0.parquet", [0, 1] * 4, names=["a", "b"])
    path = write_parquet(tmp_path / "train-1.parquet", [0, 1] * 4, names=["b", "a"], first=20)
    assert refused(f"parquet:{tmp_path}/*.parquet").startswith(f"{path}: other class names than ")
    path = write_parquet(tmp_path / "train-1.parquet", [0, 2] * 4, names=["a", "b"], first=20)
    assert refused(f"parquet:{tmp_path}/*.parquet").startswith(
        f"{path}: 21.png: label 2; expected one of the 2 classes"
    )


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "x.parquet", [0, 1] * 4)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert refused(f"parquet:{path}", ValueError) == (
        "data: parquet:GLOB needs pyarrow; pip install 'jcnn[parquet]'"
    )
