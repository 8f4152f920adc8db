"""The HTML of the page: its content, what it omits, and that no text becomes markup."""

import base64
import gzip
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import ops
from jcnn.explore import Page, page
from jcnn.explore import _page as page_file
from jcnn.layers import Conv2D, Dense, Flatten, MaxPooling2D, Sequential
from tests.explore.models import drawn, of_every_layer

HOSTILE = '</script><img src=x onerror="window.hacked=1"><!-- \' & $title'


def pictures(count: int, *shape: int) -> npt.NDArray[np.uint8]:
    """The same in every test and in any order of tests."""
    random = np.random.default_rng([11, count, *shape])
    return random.integers(0, 256, (count, *shape), np.uint8)


class _Elements(HTMLParser):
    """Every element of a page, with its attributes and its own text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._inside = False
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1][2].append(data)


def element(html: str, tag: str, **attributes: str) -> str:
    """The text of the one element of this kind."""
    texts = [
        "".join(text)
        for name, found, text in _Elements(html).found
        if name == tag and attributes.items() <= found.items()
    ]
    assert len(texts) == 1, (tag, attributes, len(texts))
    return texts[0]


def content_of(made: Page) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(element(made.html, "script", id="network"))
    return content


def numbers_of(made: Page) -> npt.NDArray[np.float32]:
    planes = gzip.decompress(base64.b64decode(element(made.html, "script", id="numbers")))
    rows = np.frombuffer(planes, np.uint8).reshape(4, -1)
    return np.ascontiguousarray(rows.T).view("<f4").ravel()


def at(numbers: npt.NDArray[np.float32], place: Any) -> npt.NDArray[np.float32]:
    offset, shape = place
    return numbers[offset : offset + int(np.prod(shape))].reshape(shape)


def small(classes: int = 3) -> Sequential:
    rngs = nnx.Rngs(0)
    return Sequential(
        [Conv2D(1, 2, activation=ops.relu, rngs=rngs), Flatten(), Dense(40, classes, rngs=rngs)]
    )


@pytest.fixture(scope="module")
def made() -> Page:
    """The page of a small model, with hostile words in every place."""
    return page(
        small(),
        pictures(2, 5, 4, 1),
        [HOSTILE, "b", "c"],
        labels=[None, 2],
        names=[HOSTILE, "second"],
        title=HOSTILE,
    )


def test_the_content_is_that_of_the_model() -> None:
    model = drawn(of_every_layer)
    images = pictures(2, 12, 11, 3)
    made = page(model, images, ["a", "b", "c", "d"], labels=[3, 0])
    content, numbers = content_of(made), numbers_of(made)
    assert content["format"] == 1
    assert content["input"] == {"shape": [12, 11, 3], "scale": 255, "resize": "stretch"}
    for i, picture in enumerate(content["pictures"]):
        assert base64.b64decode(picture["pixels"]) == images[i].tobytes()
        assert (picture["name"], picture["label"]) == (str(i + 1), [3, 0][i])
    first, *_, last, probabilities = content["layers"]
    assert (probabilities["kind"], probabilities["out"]) == ("softmax", [4])
    assert {name: first[name] for name in ("name", "kind", "in", "out", "stride", "padding")} == {
        "name": "conv2d",
        "kind": "conv",
        "in": [12, 11, 3],
        "out": [12, 6, 4],
        "stride": [1, 2],
        "padding": [[1, 0], [2, 1]],
    }
    np.testing.assert_array_equal(at(numbers, first["arrays"]["kernel"]), model.conv2d.kernel[...])
    np.testing.assert_array_equal(at(numbers, last["arrays"]["kernel"]), model.dense_1.kernel[...])
    assert [check["picture"] for check in content["checks"]] == [0, 1]
    for check in content["checks"]:
        shapes = [list(at(numbers, place).shape) for place in check["outputs"]]
        assert shapes == [layer["out"] for layer in content["layers"]]
    assert made.left_out == ()
    # Every number belongs to an array; equal arrays (input and output of dropout) share numbers.
    places = [place for layer in content["layers"] for place in layer["arrays"].values()]
    places += [place for check in content["checks"] for place in check["outputs"]]
    sizes = {offset: int(np.prod(shape)) for offset, shape in sorted(places)}
    assert len(sizes) < len(places)
    ends = np.cumsum(list(sizes.values()))
    assert list(sizes) == [0, *ends[:-1]]
    assert ends[-1] == len(numbers)


def test_words_from_outside_are_text(made: Page) -> None:
    assert "<img" not in made.html
    content = content_of(made)
    assert content["classes"] == [HOSTILE, "b", "c"]
    assert [picture["name"] for picture in content["pictures"]] == [HOSTILE, "second"]
    assert [picture["label"] for picture in content["pictures"]] == [None, 2]
    assert content["title"] == element(made.html, "title") == HOSTILE
    assert made.html.count("<!--") == 0


def test_the_policy_names_what_runs(made: Page) -> None:
    policies = [
        found["content"] or ""
        for tag, found, _ in _Elements(made.html).found
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy"
    ]
    (policy,) = policies
    styles = ["".join(text) for tag, _, text in _Elements(made.html).found if tag == "style"]
    assert len(styles) == 2  # that of a file that was cut, and the page's
    for directive, texts in (
        ("script-src", [element(made.html, "script", type="module")]),
        ("style-src", styles),
    ):
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        named = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
        assert f"{directive} {named};" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]*\s(on\w+|style)=", made.html)


def test_the_same_call_gives_the_same_page() -> None:
    images = pictures(1, 5, 4, 1)
    model = small()
    names = ["a", "b", "c"]
    assert page(model, images, names) == page(model, images, names)


def test_a_notebook_gets_a_frame_that_may_only_run_scripts(made: Page) -> None:
    ((tag, attributes, _),) = _Elements(made._repr_html_()).found
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["srcdoc"] == made.html


def test_saving_is_whole_or_not_at_all(
    made: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "page.html"
    made.save(file)
    assert file.read_text(encoding="utf-8") == made.html

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Page("new", ()).save(file)
    assert file.read_text(encoding="utf-8") == made.html
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.slow
def test_a_model_of_420_thousand_parameters_stays_under_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All outputs of the first picture alone fit, whatever the size of the scripts."""
    left = 2_273_000
    monkeypatch.setattr(page_file, "LIMIT", len(page_file._html("", {}, "")) + left)
    rngs = nnx.Rngs(0)
    model = Sequential(
        [
            Conv2D(1, 32, activation=ops.relu, rngs=rngs),
            Conv2D(32, 64, activation=ops.relu, rngs=rngs),
            MaxPooling2D(),
            Flatten(),
            Dense(14 * 14 * 64, 32, activation=ops.relu, rngs=rngs),
            Dense(32, 10, rngs=rngs),
        ]
    )
    names = [f"no. {i}" for i in range(10)]
    made = page(model, pictures(3, 28, 28, 1), names)
    assert 2_000_000 < len(made.html.encode()) < page_file.LIMIT
    layers = [layer["name"] for layer in content_of(made)["layers"]]
    missing = [
        [name for name, place in zip(layers, check["outputs"], strict=True) if place is None]
        for check in content_of(made)["checks"]
    ]
    assert len(missing) == 3
    assert set(missing[1]) <= set(missing[2])  # the sizes of the scripts decide how many more fit
    assert 0 < len(missing[0]) < len(missing[1])
    assert not {"dense", "dense relu", "dense_1", "softmax"} & set(missing[1])
    together = missing[1] == missing[2]
    groups = [(missing[0], ["1"]), (missing[1], ["2", "3"] if together else ["2"])]
    groups += [] if together else [(missing[2], ["3"])]
    assert content_of(made)["left_out"] == [{"layers": k, "pictures": v} for k, v in groups]
    assert made.left_out == tuple(
        f"JAX's outputs of {', '.join(layers)} for image {', '.join(numbers)}"
        for layers, numbers in groups
    )


def test_a_long_list_is_cut() -> None:
    names = [f"layer{i}" for i in range(9)]
    sentence = page_file._sentence({"layers": names, "pictures": ["1", "2"]})
    assert sentence == f"JAX's outputs of 9 layers ({', '.join(names[:8])}, ...) for image 1, 2"


def test_a_page_that_fits_nothing_more_still_checks_the_logits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_file, "LIMIT", 1000)
    monkeypatch.setattr(page_file, "_FOR_CHECKS", 100)
    monkeypatch.setattr(page_file, "_PART_FOR_CHECKS", 0)
    made = page(small(), pictures(1, 5, 4, 1), ["a", "b", "c"])
    (check,) = content_of(made)["checks"]
    assert [place is None for place in check["outputs"]] == [True, True, True, False, False]
    assert made.left_out == ("JAX's outputs of conv2d, conv2d relu, flatten for image 1",)


def test_images_with_the_same_checks_left_out_share_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LIMIT", "_FOR_CHECKS", "_PART_FOR_CHECKS"):
        monkeypatch.setattr(page_file, name, 0)
    made = page(small(), pictures(2, 5, 4, 1), ["a", "b", "c"])
    (sentence,) = made.left_out
    assert sentence.endswith("for image 1, 2")


def test_a_model_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_file, "_REFUSED", 500)
    with pytest.raises(ValueError, match=r"^model: its parameters take 0\.\d MB in a page; acc"):
        page(small(), pictures(1, 5, 4, 1), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": [[1]]}, "images: got list; accepted: an array (N, H, W, C) of uint8"),
        ({"images": np.zeros((1, 5, 4, 1))}, "images: got (1, 5, 4, 1) of float64; accepted: "),
        ({"images": pictures(1, 5, 4)}, "images: got (1, 5, 4) of uint8; accepted: (N, H, W, C)"),
        ({"images": pictures(0, 5, 4, 1)}, "images: got (0, 5, 4, 1) of uint8"),
        ({"images": pictures(17, 5, 4, 1)}, "images: got (17, 5, 4, 1) of uint8"),
        ({"images": pictures(1, 5, 4, 2)}, "images: got (1, 5, 4, 2) of uint8"),
        ({"images": pictures(1, 5, 5, 1)}, "model: cannot take images of (5, 5, 1): layer"),
        ({"class_names": ["a", "b"]}, "class_names: got 2; accepted: 3 names, one for each"),
        ({"class_names": "abc"}, "class_names: got 'abc'; accepted: 3 names"),
        ({"labels": [0]}, "labels: got 1; accepted: one for each of 2 images"),
        ({"labels": [0, 3]}, "labels: got 3; accepted: 0 to 2, or None"),
        ({"labels": [-1, 0]}, "labels: got -1; accepted: 0 to 2, or None"),
        ({"names": ["a"]}, "names: got 1; accepted: one for each of 2 images"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {
        "model": small(),
        "images": pictures(2, 5, 4, 1),
        "class_names": ["a", "b", "c"],
    }
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        page(**right | change)
    assert "\n" not in str(caught.value)
