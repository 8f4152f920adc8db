"""The receptive field of a unit after a chain of convolutions and poolings."""

from collections.abc import Iterable
from dataclasses import dataclass

from jcnn.ops._window import Window


@dataclass(frozen=True)
class ReceptiveField:
    """The input cells on which an output unit depends; every pair is (rows, columns).

    Output position `o` on an axis depends on the input cells
    `start + o * jump, ..., start + o * jump + size - 1`; a negative `start` lies in the padding.
    """

    size: tuple[int, int]
    jump: tuple[int, int]
    start: tuple[int, int]


def receptive_field(windows: Iterable[Window]) -> ReceptiveField:
    """Receptive field of one unit after a chain of windows, first layer first.

    Args:
        windows: the `Window` of each convolution and pooling, in order.

    Returns:
        `ReceptiveField(size, jump, start)`, each per axis, in input cells.

    Reference: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
    Networks", Distill 2019: `size += (span - 1) * jump`, `start -= pad * jump`, `jump *= stride`.
    """
    size, jump, start = [1, 1], [1, 1], [0, 0]
    for window in windows:
        for axis in (0, 1):
            size[axis] += (window.span[axis] - 1) * jump[axis]
            start[axis] -= window.padding[axis][0] * jump[axis]
            jump[axis] *= window.stride[axis]
    return ReceptiveField((size[0], size[1]), (jump[0], jump[1]), (start[0], start[1]))
