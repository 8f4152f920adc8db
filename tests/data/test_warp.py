"""Bilinear interpolation at a pose, compared with loops in float64 from the definition."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data._warp import Pose, warp

Array = npt.NDArray[np.floating]
RANDOM = np.random.default_rng(3)
SHAPES = [(3, 7, 5, 1), (2, 4, 9, 3), (2, 1, 6, 2), (1, 2, 2, 1), (1, 1, 1, 1), (2, 16, 12, 1)]
compiled = jax.jit(warp)


def extended(image: Array, y: int, x: int) -> Array:
    """The pixel `(y, x)` of an image that is reflected repeatedly at its edges."""
    height, width = image.shape[:2]
    rows = [*range(height), *reversed(range(height))]
    columns = [*range(width), *reversed(range(width))]
    pixel: Array = image[rows[y % (2 * height)], columns[x % (2 * width)]]
    return pixel


def oracle(image: Array, pose: dict[str, float]) -> Array:
    """Flip, zoom, rotate, then shift one image `(H, W, C)`, by the inverse of the forward map."""
    height, width = image.shape[:2]
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    mirror = np.diag([pose["mirror_y"], pose["mirror_x"]])
    cosine, sine = math.cos(pose["angle"]), math.sin(pose["angle"])
    turn = np.array([[cosine, -sine], [sine, cosine]])
    back = np.linalg.inv(turn @ (pose["zoom"] * np.eye(2)) @ mirror)
    out = np.empty(image.shape)
    for i in range(height):
        for j in range(width):
            moved = np.array([i, j]) - [pose["shift_y"], pose["shift_x"]]
            y, x = back @ (moved - centre) + centre
            top, left = math.floor(y), math.floor(x)
            out[i, j] = sum(
                (1 - abs(y - row)) * (1 - abs(x - column)) * extended(image, row, column)
                for row in (top, top + 1)
                for column in (left, left + 1)
            )
    return out


def posed(images: Array, poses: list[dict[str, float]]) -> Array:
    columns = (jnp.array([p[name] for p in poses], jnp.float32) for name in Pose._fields)
    return np.asarray(compiled(images, Pose(*columns)))


def still(**changes: float) -> dict[str, float]:
    """The identity pose with `changes`."""
    rest = dict.fromkeys(Pose._fields, 0.0)
    return {**rest, "mirror_y": 1, "mirror_x": 1, "zoom": 1, **changes}


POSES = st.fixed_dictionaries(
    {
        "mirror_y": st.sampled_from([1, -1]),
        "mirror_x": st.sampled_from([1, -1]),
        "zoom": st.floats(0.125, 3, width=32),
        "angle": st.floats(-3.25, 3.25, width=32),
        "shift_y": st.integers(-20, 20),
        "shift_x": st.floats(-20, 20, width=32),
    }
)


@given(data=st.data(), shape=st.sampled_from(SHAPES), seed=st.integers(0, 2**32 - 1))
def test_any_pose_is_the_oracles(
    data: st.DataObject, shape: tuple[int, int, int, int], seed: int
) -> None:
    images = np.random.default_rng(seed).random(shape, np.float32)
    poses = data.draw(st.lists(POSES, min_size=shape[0], max_size=shape[0]))
    expected = [oracle(image, pose) for image, pose in zip(images, poses, strict=True)]
    # Positions reach 400 pixels; in float32 they are off by up to 1e-4 of one.
    np.testing.assert_allclose(posed(images, poses), expected, rtol=0, atol=3e-4)


@pytest.mark.parametrize("size", [(28, 28), (7, 100), (1, 3), (33, 2)])
@pytest.mark.parametrize("mirror", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_whole_pixels_are_copied_exactly(size: tuple[int, int], mirror: tuple[int, int]) -> None:
    height, width = size
    images = RANDOM.random((4, *size, 3), np.float32)
    shifts = [(0, 0), (3, -2), (-height, width), (5 * height + 1, -7)]
    poses = [
        still(mirror_y=mirror[0], mirror_x=mirror[1], shift_y=down, shift_x=right)
        for down, right in shifts
    ]
    found = posed(images, poses)
    for image, (down, right), result in zip(images, shifts, found, strict=True):
        far = ((10 * height, 10 * height), (20 * width, 20 * width), (0, 0))
        wide = np.pad(image[:: mirror[0], :: mirror[1]], far, mode="symmetric")
        y, x = 10 * height - down, 20 * width - right
        np.testing.assert_array_equal(result, wide[y : y + height, x : x + width])


def test_directions() -> None:
    """A bright pixel is shifted down and right, and rotated from down to right."""
    image = np.zeros((1, 7, 7, 1), np.float32)
    image[0, 5, 3] = 1

    def goes_to(**changes: float) -> list[int]:
        result = posed(image, [still(**changes)])[0, ..., 0]
        return [int(n) for n in np.unravel_index(result.argmax(), result.shape)]

    assert goes_to(shift_y=1, shift_x=2) == [6, 5]
    assert goes_to(angle=math.pi / 2) == [3, 5]
    assert goes_to(mirror_y=-1) == [1, 3]
    assert goes_to(zoom=0.5) == [4, 3]


def test_dtype_is_kept() -> None:
    image = np.ones((1, 3, 3, 1), np.float16)
    assert posed(image, [still(angle=1)]).dtype == np.float16
