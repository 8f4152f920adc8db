"""The line on what resizing does to images."""

import pytest

from jcnn.data.request import Resize
from jcnn.data.resizing import Shape, resizing


@pytest.mark.parametrize(
    ("shapes", "target", "resize", "words"),
    [
        ([(32, 32, 3)], (28, 28, 1), "stretch", "images of 32 x 32 RGB become 28 x 28 grey"),
        ([(28, 28, 1)] * 3, (28, 28, 1), "stretch", ""),
        ([], (28, 28, 1), "stretch", ""),
        ([(30, 40, 3)], (28, 28, 3), "crop", "images of 30 x 40 RGB become 28 x 28 RGB, cropped"),
        (
            [(480, 640, 3), (60, 80, 1), (70, 70, 3)],
            (64, 64, 3),
            "pad",
            "images of 60 x 80 to 480 x 640 grey and RGB become 64 x 64 RGB, padded",
        ),
        (
            [(28, 28, 1), (28, 28, 3)],
            (28, 28, 3),
            "pad",
            "images of 28 x 28 grey and RGB become 28 x 28 RGB",
        ),
    ],
)
def test_resizing(shapes: list[Shape], target: Shape, resize: Resize, words: str) -> None:
    assert resizing(shapes, target, resize) == words
