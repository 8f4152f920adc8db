"""Grids from text, files, arrays and images; and one-line errors for invalid ones."""

import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn.data import DataError
from jcnn.trace import Stack, join, parse_number, read_printed, read_stack

RANDOM = np.random.default_rng(5)
TWO = (((0, 1), (2, -3)), ((4, 5), (6, 7)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 1; 2 -3", TWO[:1]),
        ("0, 1;2,-3;", TWO[:1]),
        ("  0\t1\n 2 -3\n", TWO[:1]),
        ("0 1;\n2 -3;\n", TWO[:1]),
        ("0 1; 2 -3 | 4 5; 6 7", TWO),
        ("0 1\n2 -3\n\n4 5\n6 7\n", TWO),
        ("0 1\n2 -3\n \n\n4 5\n6 7", TWO),
        ("7", (((7,),),)),
        ("-7", (((-7,),),)),
        (".5 -1e-1 2.0", (((Fraction(1, 2), Fraction(-1, 10), 2),),)),
    ],
)
def test_text(tmp_path: Path, text: str, expected: Stack) -> None:
    assert read_stack(text, "input") == expected
    for name, ending in (("grid.txt", ""), ("my grid.dat", "\n"), ("dos.txt", "\r\n")):
        file = tmp_path / name
        file.write_bytes((text + ending).replace("\n", "\r\n" if "dos" in name else "\n").encode())
        assert read_stack(str(file), "input") == expected


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("\N{BOM}0,1\r\n2,-3\r\n".encode())
    assert read_stack(str(file), "input") == TWO[:1]


@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f4", ">f8", "?"])
@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 2)])
def test_npy(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    array = (RANDOM.integers(0, 200, shape) / 4).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    found = read_stack(str(tmp_path / "a.npy"), "input")
    cube = array.astype(float).reshape((1, 4, 1) if len(shape) == 1 else (2, 3, -1))
    np.testing.assert_array_equal(np.moveaxis(np.array(found, float), 0, -1), cube)


def test_pictures(tmp_path: Path) -> None:
    pixels = RANDOM.integers(0, 256, (5, 4, 3), np.uint8)
    file = tmp_path / "a.png"
    Image.fromarray(pixels).save(file)
    colours = read_stack(str(file), "input", color="rgb")
    np.testing.assert_array_equal(np.moveaxis(np.array(colours), 0, -1), pixels)
    (grey,) = read_stack(str(file), "input")
    luminance = pixels @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(np.array(grey), luminance, atol=0.51)
    scaled = read_stack(str(file), "input", color="rgb", scale=255)
    assert scaled[2][1][3] == Fraction(int(pixels[1, 3, 2]), 255)


def test_channels_of_several_sources() -> None:
    assert join([TWO[:1], TWO[1:]], "input") == TWO
    with pytest.raises(ValueError, match=r"^input: got a channel of 1x1; accepted: 2x2, as the"):
        join([TWO, (((1,),),)], "input")


def test_printed_figures(tmp_path: Path) -> None:
    ((row,),) = read_printed("3 0.50 ? .", "check")
    three, half = row[0], row[1]
    assert three is not None
    assert half is not None
    assert (three.text, three.value, three.tolerance) == ("3", 3, 0)
    assert (half.text, half.value, half.tolerance) == ("0.50", Fraction(1, 2), Fraction(1, 200))
    assert row[2:] == (None, None)
    np.save(tmp_path / "p.npy", np.array([3.0, 0.1], "float32"))
    ((stored,),) = read_printed(str(tmp_path / "p.npy"), "check")
    assert stored[0] is not None
    assert stored[1] is not None
    assert stored[0].tolerance == 0
    assert 0 < abs(stored[1].value - Fraction(1, 10)) < stored[1].tolerance


BAD_TEXT = [
    ("", "empty"),
    (" \n ", "empty"),
    ("1 2; 3", "row 1 has 1 numbers; accepted: 2, as in row 0"),
    ("1 x; 2 3", "row 0: got 'x'; accepted: a number such as"),
    ("1 nan", "row 0: got 'nan'"),
    ("1 inf", "row 0: got 'inf'"),
    ("1 1e31", "row 0: got '1e31'; accepted: numbers from 1e-30 to 1e30"),
    ("1e999999999", "got '1e999999999'; accepted: numbers from"),
    ("1,,2", "row 0 has an empty place"),
    ("1;;2", "row 1 has an empty place"),
    ("1 2 |", "channel 1, row 0 has an empty place"),
    ("1 2 | 3", "channel 1 is 1x1; accepted: 1x2, as channel 0"),
    ("1 " * 65_537, "too large; accepted: up to 65,536 numbers"),
    ("9" * 41, "accepted: a number such as"),
    ("1 2\x1b[31m", "row 0: got '2\\x1b[31m'"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TEXT)
def test_text_that_is_no_grid(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.txt"
    file.write_text(text, encoding="utf-8")
    for source, name, kind in ((text, "input", ValueError), (str(file), str(file), DataError)):
        with pytest.raises(kind) as raised:
            read_stack(source, "input")
        shown = str(raised.value)
        assert shown.startswith(f"{name}: ")
        assert message in shown
        assert len(shown) < 200 + len(name)
        assert shown.isprintable()


def test_a_word_is_neither_grid_nor_file() -> None:
    with pytest.raises(ValueError, match=r"^input: got 'edge'; accepted: a file, or numbers"):
        read_stack("edge", "input")


class Trap:
    """Unpickling it would create a file."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("unpickled"),)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("object.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    for name in ("raw.npy", "raw.pkl", "raw.txt"):
        Path(name).write_bytes(pickle.dumps(Trap()))
    for name in ("object.npy", "raw.npy", "raw.pkl", "raw.txt"):
        with pytest.raises(DataError, match=f"^{name}: ") as raised:
            read_stack(name, "input")
        assert str(raised.value).isprintable()
    assert not Path("unpickled").exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2), complex), "got dtype complex128; accepted: integers or floats"),
        (np.array([["a"]]), "got dtype <U1"),
        (np.zeros((1, 2, 2, 1)), r"got shape \(1, 2, 2, 1\)"),
        (np.zeros(()), r"got shape \(\)"),
        (np.zeros((257, 256)), r"got shape \(257, 256\)"),
        (np.array([1.0, np.nan]), "numbers that are not finite"),
        (np.array([1.0, np.inf]), "numbers that are not finite"),
        (np.zeros((0, 3)), "not a NumPy array|got shape"),
    ],
)
def test_arrays_that_are_no_grid(
    tmp_path: Path, array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", message: str
) -> None:
    file = tmp_path / "bad.npy"
    np.save(file, array)
    with pytest.raises(DataError, match=f"bad.npy: .*({message})"):
        read_stack(str(file), "input")


def test_damaged_files(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.arange(100.0))
    data = (tmp_path / "whole.npy").read_bytes()
    files = {
        "cut.npy": data[:-50],
        "head.npy": data[:30],
        "empty.npy": b"",
        "lie.npy": data.replace(b"(100,)", b"(9**9)"),
        "large.npy": data.replace(b"(100,), }       ", b"(100000000000,)}"),
        "bytes.txt": b"\xff\xfe1 2",
        "semicolons.csv": b"1;2\n3;4\n",
        "broken.png": b"\x89PNG\r\n\x1a\n",
        "empty.txt": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as raised:
            read_stack(str(tmp_path / name), "input")
        assert str(raised.value).count(name) == 1
        assert "\n" not in str(raised.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.csv: no such file"):
        read_stack(str(tmp_path / "none.csv"), "input")
    for read in (read_stack, read_printed):
        with pytest.raises(DataError) as raised:
            read(str(tmp_path), "input")
        assert str(raised.value) == f"{tmp_path}: not a regular file; accepted: a file"


def test_a_picture_says_no_printed_figures(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"a\.png: not text in UTF-8; accepted: text, \.csv, \.npy$"
    ):
        read_printed(str(tmp_path / "a.png"), "check")


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("a.txt", "a.npy", "a.png"):
        (tmp_path / name).touch()
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(np.lib.format, "open_memmap", refuse)
    for name in ("a.txt", "a.npy", "a.png"):
        with pytest.raises(DataError) as raised:
            read_stack(str(tmp_path / name), "input")
        assert str(raised.value) == f"{tmp_path / name}: cannot be read (Permission denied)"


def test_a_picture_too_large(tmp_path: Path) -> None:
    Image.new("L", (300, 300)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: got an image of 300x300; accepted: up to"):
        read_stack(str(tmp_path / "a.png"), "input")


@pytest.mark.parametrize("text", ["1_0", "0x10", "1/3", "--1", "", " ", "1 2", "sNaN"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"^got "):
        parse_number(text)
