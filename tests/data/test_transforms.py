"""The text form of augmentations: every name, and a one-line message for every mistake."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data.transforms import KINDS, Transform, mixup_alpha, parse

NAMES = (
    "flip, flip_vertical, zoom, rotate, shift, contrast, brightness, cutout, mixup"  # their order
)


def test_nothing() -> None:
    assert parse("") == parse("  ") == ()


def test_names_alone_have_the_documented_strengths() -> None:
    found = parse(NAMES)
    assert [transform.name for transform in found] == NAMES.split(", ")
    strengths = [transform.strength for transform in found]
    assert strengths == [0.5, 0.5, 0.2, 15, 0.1, 0.2, 0.2, 8, 0.2]


def test_strengths_are_read() -> None:
    text = " shift=0.25 , rotate = 30,cutout=4,mixup=1e1,zoom=0"
    assert parse(text) == (
        Transform("zoom", 0),
        Transform("rotate", 30),
        Transform("shift", 0.25),
        Transform("cutout", 4),
        Transform("mixup", 10),
    )


@given(st.permutations(NAMES.split(", ")))
def test_the_order_of_the_words_does_not_matter(names: list[str]) -> None:
    assert parse(",".join(names)) == parse(NAMES)
    assert hash(parse(",".join(names))) == hash(parse(NAMES))


@given(st.data())
def test_every_strength_within_the_limits_is_read_back(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    number = st.integers(0, int(kind.limit)) if kind.whole else st.floats(0, kind.limit)
    strength = data.draw(number)
    assert parse(f"{kind.name}={strength!r}") == (Transform(kind.name, strength),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rotat", f"got 'rotat'; accepted: {NAMES}; did you mean 'rotate'?"),
        ("flip,", f"got ''; accepted: {NAMES}"),
        (",", f"got ''; accepted: {NAMES}"),
        ("=3", f"got ''; accepted: {NAMES}"),
        ("Flip", f"got 'Flip'; accepted: {NAMES}; did you mean 'flip'?"),
        ("shift flip", f"got 'shift flip'; accepted: {NAMES}; did you mean 'shift'?"),
        ("flip\nflop", rf"got 'flip\nflop'; accepted: {NAMES}; did you mean 'flip'?"),
        ("flip,shift,flip", "got 'flip' twice; accepted: each name once"),
        ("flip,flip=1", "got 'flip' twice; accepted: each name once"),
        ("shift=", "got 'shift='; accepted: shift=SHARE, 0 to 1"),
        ("shift=much", "got 'shift=much'; accepted: shift=SHARE, 0 to 1"),
        ("rotate=1=2", "got 'rotate=1=2'; accepted: rotate=DEGREES, 0 to 180"),
        ("rotate=-5", "got 'rotate=-5'; accepted: rotate=DEGREES, 0 to 180"),
        ("rotate=181", "got 'rotate=181'; accepted: rotate=DEGREES, 0 to 180"),
        ("zoom=1", "got 'zoom=1'; accepted: zoom=SHARE, 0 to 0.9"),
        ("brightness=nan", "got 'brightness=nan'; accepted: brightness=SHARE, 0 to 1"),
        ("flip=1.5", "got 'flip=1.5'; accepted: flip=PROBABILITY, 0 to 1"),
        ("cutout=2.5", "got 'cutout=2.5'; accepted: cutout=PIXELS, whole, 0 to 10000"),
        ("cutout=inf", "got 'cutout=inf'; accepted: cutout=PIXELS, whole, 0 to 10000"),
        ("mixup=inf", "got 'mixup=inf'; accepted: mixup=ALPHA, 0 to 100"),
    ],
)
def test_a_mistake_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^augment: {re.escape(message)}$"):
        parse(text)


def test_a_transform_checks_itself() -> None:
    with pytest.raises(ValueError, match=r"^augment: got 'blur'; accepted: flip, "):
        Transform("blur", 1)
    with pytest.raises(ValueError, match=r"^augment: got 'zoom=2'; accepted: zoom=SHARE, 0 to"):
        Transform("zoom", 2)


def test_mixup_is_told_apart() -> None:
    assert mixup_alpha(parse("flip,mixup=0.4,shift")) == 0.4
    assert mixup_alpha(parse("mixup=0")) == mixup_alpha(parse("flip")) == mixup_alpha(()) == 0
