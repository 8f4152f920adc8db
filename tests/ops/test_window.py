"""Window arithmetic: output sizes, padding and receptive fields, against tables and brute force."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from jcnn.ops import Padding, ReceptiveField, Size, Window


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "pads", "out"),
    [
        # Keras's rule: total // 2 before and the remainder after; ceil(size / stride) outputs.
        (28, 3, 1, "SAME", 1, (1, 1), 28),
        (28, 2, 1, "SAME", 1, (0, 1), 28),
        (28, 4, 1, "SAME", 1, (1, 2), 28),
        (28, 3, 2, "SAME", 1, (0, 1), 14),
        (29, 3, 2, "SAME", 1, (1, 1), 15),
        (28, 5, 3, "SAME", 1, (2, 2), 10),
        (28, 3, 1, "SAME", 2, (2, 2), 28),
        (7, 1, 3, "SAME", 1, (0, 0), 3),
        (1, 3, 1, "SAME", 1, (1, 1), 1),
        # A stride larger than the kernel leaves nothing to pad.
        (9, 2, 4, "SAME", 1, (0, 1), 3),
        (8, 2, 4, "SAME", 1, (0, 0), 2),
        (28, 3, 1, "VALID", 1, (0, 0), 26),
        (28, 3, 2, "VALID", 1, (0, 0), 13),
        (28, 3, 1, "VALID", 3, (0, 0), 22),
        (28, 28, 1, "VALID", 1, (0, 0), 1),
        (28, 3, 1, 1, 1, (1, 1), 28),
        (3, 2, 2, 4, 1, (4, 4), 5),
        (5, 3, 1, ((0, 2), (0, 2)), 1, (0, 2), 5),
    ],
)
def test_one_axis(
    size: int,
    kernel: int,
    stride: int,
    padding: Padding,
    dilation: int,
    pads: tuple[int, int],
    out: int,
) -> None:
    window = ops.resolve_window(
        (size, size), kernel, stride=stride, padding=padding, dilation=dilation
    )
    assert window == Window(
        in_size=(size, size),
        kernel=(kernel, kernel),
        stride=(stride, stride),
        padding=(pads, pads),
        dilation=(dilation, dilation),
        out_size=(out, out),
    )


def test_rows_and_columns_are_apart() -> None:
    window = ops.resolve_window(
        (10, 7), (3, 2), stride=(2, 1), padding=((1, 0), (0, 3)), dilation=(1, 4)
    )
    assert window.padding == ((1, 0), (0, 3))
    assert window.span == (3, 5)
    assert window.out_size == (5, 6)


@pytest.mark.parametrize("size", [3, (3, 3)])
def test_an_int_means_a_square(size: Size) -> None:
    assert ops.resolve_window((8, 9), size).out_size == (6, 7)


def test_numpy_integers_are_integers() -> None:
    three: Any = np.int64(3)  # as sizes computed with NumPy are
    window = ops.resolve_window((8, 9), three, stride=three, padding=three)
    assert window.padding == ((3, 3), (3, 3))
    assert window.out_size == (4, 5)


def test_conv_output_shape() -> None:
    assert ops.conv_output_shape((8, 28, 26, 3), (3, 3, 3, 16)) == (8, 28, 26, 16)
    shape = ops.conv_output_shape(
        (8, 28, 26, 4), (5, 3, 2, 6), stride=(2, 1), padding="VALID", dilation=2, groups=2
    )
    assert shape == (8, 10, 22, 6)


# --- receptive fields -----------------------------------------------------------------------------


def test_receptive_field_of_a_known_network() -> None:
    """Two 3x3 and a 2x2 pooling, twice: the front of VGG."""
    three = ops.resolve_window((32, 32), 3, padding="SAME")
    pool = ops.resolve_window((32, 32), 2, stride=2)
    half = ops.resolve_window((16, 16), 3, padding="SAME")
    assert ops.receptive_field([three, three]) == ReceptiveField((5, 5), (1, 1), (-2, -2))
    assert ops.receptive_field([three, three, pool]) == ReceptiveField((6, 6), (2, 2), (-2, -2))
    whole = ops.receptive_field([three, three, pool, half, half, pool])
    assert whole == ReceptiveField((16, 16), (4, 4), (-6, -6))


def test_receptive_field_of_nothing_is_one_cell() -> None:
    assert ops.receptive_field([]) == ReceptiveField((1, 1), (1, 1), (0, 0))


CHAINS: dict[str, list[tuple[Size, Size, Padding, Size]]] = {
    # kernel, stride, padding, dilation of each layer
    "one": [((3, 2), (2, 1), "VALID", 1)],
    "two": [((3, 2), 1, "SAME", 1), ((2, 3), (2, 1), "SAME", 1)],
    "dilated": [((2, 3), 1, "SAME", (3, 2)), ((3, 2), 1, "VALID", (1, 2))],
    "deep": [((3, 3), 2, ((1, 0), (2, 1)), 1), ((2, 2), 1, 1, 1), ((3, 2), (1, 2), "SAME", 1)],
}


@pytest.mark.parametrize("name", CHAINS)
def test_receptive_field_by_brute_force(name: str) -> None:
    """Kernels of ones: an output depends on a pixel exactly where its gradient is not zero."""
    hw = (13, 11)
    windows: list[Window] = []
    for kernel, stride, padding, dilation in CHAINS[name]:
        windows.append(
            ops.resolve_window(hw, kernel, stride=stride, padding=padding, dilation=dilation)
        )
        hw = windows[-1].out_size

    def chain(x: jax.Array) -> jax.Array:
        for window in windows:
            kernel = jnp.ones((*window.kernel, 1, 1))
            x = ops.conv2d(
                x, kernel, stride=window.stride, padding=window.padding, dilation=window.dilation
            )
        return x[0, :, :, 0]

    touched = np.asarray(jax.jit(jax.jacrev(chain))(jnp.ones((1, 13, 11, 1))))[:, :, 0, :, :, 0] > 0
    field = ops.receptive_field(windows)
    for row in range(hw[0]):
        for column in range(hw[1]):
            seen = np.argwhere(touched[row, column])
            for axis, position in ((0, row), (1, column)):
                first = field.start[axis] + position * field.jump[axis]
                last = first + field.size[axis] - 1
                inside = max(first, 0), min(last, (13, 11)[axis] - 1)
                # The first and last cell of the window are taps; holes lie between them alone.
                if first >= 0:
                    assert seen[:, axis].min() == first
                if last < (13, 11)[axis]:
                    assert seen[:, axis].max() == last
                assert inside[0] <= seen[:, axis].min()
                assert seen[:, axis].max() <= inside[1]
