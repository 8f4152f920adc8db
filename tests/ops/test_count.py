"""Multiply-adds, against counting one by one."""

import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import CASES


@pytest.mark.parametrize("name", CASES)
def test_multiply_adds_by_counting(name: str) -> None:
    """Each output sums one product for each kernel cell and channel of its group."""
    case = CASES[name]
    n, oh, ow, filters = case.y_shape
    counted = 0
    for _ in range(n * oh * ow):
        for _ in range(filters):
            counted += case.kernel_shape[0] * case.kernel_shape[1] * case.kernel_shape[2]
    assert ops.conv_multiply_adds(case.x_shape, case.kernel_shape, **case.how) == counted
    assert ops.multiply_adds(case.y_shape, case.kernel_shape) == counted


def test_multiply_adds_without_padding_is_the_sum_of_ones() -> None:
    """A convolution of ones with ones adds one for each product."""
    y = oracle.conv2d(np.ones((2, 6, 7, 4)), np.ones((3, 2, 2, 6)), padding="VALID", groups=2)
    count = ops.conv_multiply_adds((2, 6, 7, 4), (3, 2, 2, 6), padding="VALID", groups=2)
    assert count == y.sum()


def test_multiply_adds_of_a_dense_layer_are_its_weights() -> None:
    assert ops.multiply_adds((10,), (784, 10)) == 7840
    assert ops.multiply_adds((64, 10), (784, 10)) == 64 * 7840


def test_a_convolution_shares_its_weights() -> None:
    """It has as many connections to an input channel as output positions times kernel cells."""
    shape = ops.conv_output_shape((1, 28, 28, 1), (3, 3, 1, 32))
    assert shape == (1, 28, 28, 32)
    assert ops.conv_multiply_adds((1, 28, 28, 1), (3, 3, 1, 32)) == 28 * 28 * 9 * 32
