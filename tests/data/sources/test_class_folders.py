"""Listing images in class folders, and a one-line message for a folder without classes."""

import itertools
import os
from pathlib import Path

import pytest

from jcnn.data import DataError, load
from jcnn.data.sources.class_folders import Listing, list_images
from tests.data.sources.image_folders import Event, notes, refused, write, write_classes


def listed(folder: Path) -> tuple[list[tuple[str, str]], Listing]:
    """List a folder; return the class and the name inside the folder of each image."""
    found = list_images(folder)
    return [
        (found.class_names[label], name)
        for name, label in zip(found.names, found.labels, strict=True)
    ], found


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_every_class_folder_at_any_depth_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.png", "b/10.png", "a/z/y/1.gif", "a/z.jpg", "C/1.bmp", "a/b/1.webp")
    found, listing = listed(tmp_path)
    assert listing.class_names == ("C", "a", "b")
    assert found == [
        ("C", "C/1.bmp"),
        ("a", "a/b/1.webp"),
        ("a", "a/z.jpg"),
        ("a", "a/z/y/1.gif"),
        ("b", "b/10.png"),
        ("b", "b/2.png"),
    ]
    assert (listing.sizes, listing.bad, listing.notes) == (None, [], [])


def test_extensions_in_either_case_and_no_others(tmp_path: Path) -> None:
    taken = ["a/1.PNG", "a/1.jPg", "a/1.JPEG", "a/1.Bmp", "a/1.GIF", "a/1.WebP", "b/x.tar.png"]
    touch(tmp_path, *taken, "a/png", "a/notes.txt", "a/1.png.bak", "b/Thumbs.db", "b/x.tiff")
    found, listing = listed(tmp_path)
    assert sorted(name for _, name in found) == sorted(taken)
    (note,) = listing.notes
    left_out = "left out 5 files without an image's extension"
    assert note == f"{tmp_path}: {left_out}, such as {tmp_path}/a/1.png.bak"


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/1.png", "a/.2.png", "b/.old/1.png", ".git/1.png", ".DS_Store")
    found, listing = listed(tmp_path)
    assert [name for _, name in found] == ["a/1.png", "b/1.png"]
    assert listing.notes == []


def test_pictures_beside_the_class_folders_are_left_out_and_told(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 5, "b": 5, "c.png": 5})
    touch(tmp_path, "1.png", "2.JPG", "README.md")
    events: list[Event] = []
    train, test = load(f"folder:{tmp_path}", notify=events.append)
    assert len(train) + len(test) == 15
    assert notes(events) == [f"{tmp_path}: left out 2 images beside the class folders"]


def test_train_and_test_are_used_where_there_are_both(tmp_path: Path) -> None:
    touch(tmp_path, "train/b/1.png", "train/a/x/2.png", "test/a/3.png", "test/b/4.png")
    touch(tmp_path, "more/a/5.png", "other/6.png", "test/7.png")
    found, listing = listed(tmp_path)
    assert listing.class_names == ("a", "b")
    assert [name for _, name in found] == [
        "train/a/x/2.png",
        "train/b/1.png",
        "test/a/3.png",
        "test/b/4.png",
    ]
    assert listing.sizes == (2, 0, 2)
    assert listing.notes == [
        f"{tmp_path}: train and test are read, more, other left out",
        f"{tmp_path}/test: left out 1 images beside the class folders",
    ]


def test_train_alone_may_be_a_class_among_others(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.png", "bus/1.png")
    assert listed(tmp_path)[1].class_names == ("bus", "train")


@pytest.mark.parametrize("name", [".", "..", "sub/.."])
def test_names_inside_do_not_depend_on_how_the_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    touch(tmp_path, "a/1.png", "b/1.png", ".hidden/sub/x")
    start = {".": tmp_path, "..": tmp_path / ".hidden", "sub/..": tmp_path / ".hidden"}[name]
    if name == "sub/..":
        touch(start, "a/1.png", "b/1.png", "sub/1.png")
    monkeypatch.chdir(start)
    inside = [name for _, name in listed(Path(name))[0]]
    assert inside[:2] == ["a/1.png", "b/1.png"]


def test_links_to_files_and_folders_are_followed_once(tmp_path: Path) -> None:
    away, folder = tmp_path / "away", tmp_path / "pictures"
    touch(away, "1.png", "deep/2.png", "list.txt")
    touch(folder, "a/0.png", "c/0.png")
    (folder / "a/one.png").symlink_to(away / "1.png")
    (folder / "a/first").symlink_to(away / "deep")
    (folder / "a/second").symlink_to(away / "deep")
    (folder / "b").symlink_to(away)
    found = [name for _, name in listed(folder)[0]]
    assert [name for name in found if name.startswith("a/") and "2.png" not in name] == [
        "a/0.png",
        "a/one.png",
    ]
    assert sum("2.png" in name for name in found if name.startswith("a/")) == 1
    assert [name for name in found if name[0] in "bc"] == ["b/1.png", "b/deep/2.png", "c/0.png"]


@pytest.mark.parametrize("target", [".", "..", "../..", "../../..", "/"])
def test_a_link_that_leads_round_is_bad(tmp_path: Path, target: str) -> None:
    folder = write_classes(tmp_path / "x/y", {"a": 4, "b": 4})
    (folder / "a/round").symlink_to(target, target_is_directory=True)
    reason = "a link to a folder that it is in; expected no loop"
    assert refused(folder, DataError) == f"a/round: {reason}"
    events: list[Event] = []
    load(f"folder:{folder}", on_bad_image="skip", notify=events.append)
    assert notes(events) == [f"skipped a/round: {reason}"]


def test_links_that_lead_round_together_are_bad(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "in", {"a": 4, "b": 4})
    (tmp_path / "out").mkdir()
    (folder / "a/there").symlink_to(tmp_path / "out")
    (tmp_path / "out/back").symlink_to(folder)
    assert refused(folder, DataError).startswith("a/there/back: a link to a folder that it is in")


def test_a_class_that_leads_round_is_refused(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "in", {"a": 4, "b": 4})
    (folder / "c").symlink_to(tmp_path)
    for way in ("error", "skip"):
        message = refused(folder, DataError, "skip" if way == "skip" else "error")
        assert message.startswith("c: a link to a folder that it is in")


def test_links_that_double_at_each_step_end(tmp_path: Path) -> None:
    # Thirty folders, each with two links to the next: 2**30 paths if all are followed.
    steps = [tmp_path / f"away/{number}" for number in range(30)]
    for step in steps:
        step.mkdir(parents=True)
    for step, following in itertools.pairwise(steps):
        (step / "left").symlink_to(following)
        (step / "right").symlink_to(following)
    touch(steps[-1], "1.png")
    folder = tmp_path / "in"
    touch(folder, "b/1.png")
    (folder / "a").symlink_to(steps[0])
    found = [name for _, name in listed(folder)[0]]
    assert len(found) == 2


@pytest.mark.parametrize("target", ["nowhere.png", "itself.png"])
def test_a_broken_link_is_bad(tmp_path: Path, target: str) -> None:
    write_classes(tmp_path, {"a": 4, "b": 4})
    (tmp_path / "a/itself.png").symlink_to(target)
    reason = {
        "nowhere.png": "a broken link (No such file or directory)",
        "itself.png": "a broken link (Too many levels of symbolic links)",
    }[target]
    assert refused(tmp_path, DataError) == f"a/itself.png: {reason}"
    (tmp_path / "a/itself.png").rename(tmp_path / "itself")
    if target == "nowhere.png":  # it might be a class
        assert refused(tmp_path, DataError) == f"itself: {reason}"


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 4, "b": 4})
    os.mkfifo(tmp_path / "b/pipe.png")
    os.mkfifo(tmp_path / "b/pipe")
    assert refused(tmp_path, DataError) == "b/pipe.png: a device or pipe; expected a file"
    events: list[Event] = []
    train, test = load(f"folder:{tmp_path}", on_bad_image="skip", notify=events.append)
    assert len(train) + len(test) == 8
    assert "skipped b/pipe.png: a device or pipe; expected a file" in notes(events)


def test_folders_that_are_none(tmp_path: Path) -> None:
    assert refused(tmp_path / "none", FileNotFoundError) == ": no such folder"
    touch(tmp_path, "file", "empty/.hidden", "loose/1.png", "one/cat/1.png", "one/readme")
    touch(tmp_path, "bare/cat/1.png", "bare/dog/notes.txt", "bare/eel/.x.png")
    expected = "expected two or more, with images in each"
    assert refused(tmp_path / "file", DataError) == ": Not a directory; expected a folder"
    for name in ("empty", "loose"):
        assert refused(tmp_path / name, DataError) == f": no class folder; {expected}"
    assert refused(tmp_path / "one", DataError) == f": only one class folder (cat); {expected}"
    kinds = ".png, .jpg, .jpeg, .bmp, .gif, .webp"
    for way in (DataError, ValueError):
        assert refused(tmp_path / "bare", way) == f"dog: no image in this class folder ({kinds})"


@pytest.mark.parametrize("names", [["train"], ["test", "val"], ["Training"], ["TEST", "valid"]])
def test_parts_without_one_to_train_and_one_to_judge_are_refused(
    tmp_path: Path, names: list[str]
) -> None:
    for name in names:
        write_classes(tmp_path / name, {"a": 4, "b": 4})
    assert refused(tmp_path, DataError) == (
        f": holds {', '.join(sorted(names))}; expected train beside test, val or both, "
        f"or one folder of images for each class"
    )


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Train", "Valid", "Test"),
        ("TRAINING", "VALIDATION", "TESTING"),
        ("training_set", "validation_set", "test_set"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
        ("train/Training", "val/valid", "Test Data/test/test"),
    ],
)
@pytest.mark.parametrize("present", ["tv", "t", "v"])
def test_parts_by_their_usual_names(tmp_path: Path, names: tuple[str, ...], present: str) -> None:
    train, validation, test = names
    touch(tmp_path, f"{train}/a/1.png", f"{train}/a/2.png", f"{train}/b/3.png")
    if "v" in present:
        touch(tmp_path, f"{validation}/b/4.png", f"{validation}/a/5.png")
    if "t" in present:
        touch(tmp_path, f"{test}/a/6.png", f"{test}/b/7.png", f"{test}/b/8.png")
    listing = list_images(tmp_path)
    assert listing.class_names == ("a", "b")
    read = "".join(Path(path).stem for path in listing.names)
    assert read == "123" + "54" * ("v" in present) + "678" * ("t" in present)
    assert listing.sizes == (3, 2 * ("v" in present), 3 * ("t" in present))
    last = Path(train).name
    no_test = f"{tmp_path}: no test folder; a fifth of each class of {last} is for test"
    assert listing.notes == [no_test] * ("t" not in present)


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        touch(tmp_path, f"{name}/a/1.png", f"{name}/b/1.png")
    assert refused(tmp_path, DataError) == ": holds val and valid; expected one for validation"


def test_names_that_only_begin_as_a_part_does_are_classes(tmp_path: Path) -> None:
    touch(tmp_path, "trains/1.png", "tested/1.png", "valley/1.png", "testimony/1.png")
    assert listed(tmp_path)[1].class_names == ("tested", "testimony", "trains", "valley")


def test_a_train_without_folders_is_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.png", "valid/1.png", "bus/1.png")
    assert listed(tmp_path)[1].class_names == ("bus", "train", "valid")


def test_a_folder_within_the_folder_is_suggested(tmp_path: Path) -> None:
    touch(tmp_path, "animals/cat/1.png", "animals/dog/1.png")
    assert refused(tmp_path, DataError) == (
        f": only one class folder (animals); expected two or more, with images in each; "
        f"did you mean {tmp_path}/animals?"
    )


def test_folders_that_hold_the_same_folders_are_no_classes(tmp_path: Path) -> None:
    for part in ("Learn", "Exam"):
        touch(tmp_path, *(f"{part}/{name}/1.png" for name in "abcd"))
    assert refused(tmp_path, DataError) == (
        ": Exam and Learn hold the same folders (a, b, c, ...), so they are not classes; expected "
        "parts by the names train and test, val or both"
    )
    touch(tmp_path, "Exam/loose.png")  # images next to folders of images
    assert listed(tmp_path)[1].class_names == ("Exam", "Learn")


def test_classes_may_hold_one_folder_of_the_same_name(tmp_path: Path) -> None:
    touch(tmp_path, "n01/images/1.png", "n02/images/2.png")  # as in Tiny ImageNet
    assert [name for name, _ in listed(tmp_path)[0]] == ["n01", "n02"]


def test_class_names_are_composed(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    touch(tmp_path, f"train/{composed}/1.png", f"test/{decomposed}/1.png")
    touch(tmp_path, "train/z/1.png", "test/z/1.png")
    found, listing = listed(tmp_path)
    assert listing.class_names == (composed, "z")
    assert [name for name, _ in found] == [composed, "z"] * 2
    touch(tmp_path, f"test/{composed}/1.png")
    assert refused(tmp_path, DataError) == (
        f"test: two folders are called {composed}, once as 'cafe\\u0301' and once as 'caf\\xe9'; "
        f"expected one folder for each class"
    )


def test_train_and_test_must_have_the_same_classes(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png")
    touch(tmp_path, "test/c/1.png")
    assert refused(tmp_path, DataError) == "train: no class folder c; expected one as in test"
    touch(tmp_path, "train/c/1.png", "train/aa/1.png")
    assert refused(tmp_path, DataError) == "test: no class folder aa; expected one as in train"


@pytest.mark.parametrize("name", [b"two\nlines", b"esc\x1b[31m", b"\xff\xfe", b"caf\xe9"])
def test_class_names_are_text(tmp_path: Path, name: bytes) -> None:
    write_classes(tmp_path, {"a": 4, "b": 4})
    (tmp_path / os.fsdecode(name)).mkdir()
    message = refused(tmp_path, DataError)
    assert message.startswith(repr(f"{tmp_path}/{os.fsdecode(name)}"))
    assert message.endswith("expected UTF-8 text without control characters")


@pytest.mark.parametrize("name", ["Straße", "猫", "with space", "a:b", "T-shirt, top", "😀"])
def test_class_names_may_be_any_text(tmp_path: Path, name: str) -> None:
    touch(tmp_path, f"{name}/1.png", "zzz/1.png", "0/1.png")
    assert set(listed(tmp_path)[1].class_names) == {"0", name, "zzz"}


def test_file_names_may_be_any_bytes(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 4, "b": 4})
    for number, name in enumerate((b"two\nlines.png", b"\xff.png")):
        source = write(tmp_path / "x.png", 100 + number)
        source.rename(os.fsdecode(os.fsencode(tmp_path) + b"/a/" + name))
    train, test = load(f"folder:{tmp_path}")
    assert len(train) + len(test) == 10
    (tmp_path / "a/two\nlines.png").write_bytes(b"")
    assert refused(tmp_path, DataError).startswith(
        repr(f"{tmp_path}/a/two\nlines.png") + ": not an image"
    )


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by permissions, since root may read everything.
    touch(tmp_path, "a/locked/1.png", "b/1.png")
    scandir = os.scandir

    def denied(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert refused(tmp_path, DataError) == "a/locked: Permission denied; expected a folder"
