"""Several filters, against the oracle: each gives one channel of the output."""

import re

import numpy as np
import pytest

from jcnn import trace
from tests.ops.conv import oracle
from tests.trace.test_arithmetic import array, stack


@pytest.mark.parametrize(
    ("channels", "filters", "padding", "stride"),
    [(4, 2, "SAME", 1), (1, 3, "VALID", (2, 1)), (3, 4, 1, (1, 2)), (2, 1, "VALID", 1)],
)
def test_filters_against_the_oracle(
    channels: int, filters: int, padding: oracle.Padding, stride: oracle.Size
) -> None:
    random = np.random.default_rng(channels)
    x, kernel = array(random, 5, 4, channels), array(random, 2, 3, channels, filters)
    bias = array(random, filters)
    found = trace.convolve_filters(
        stack(x),
        [stack(kernel[..., number]) for number in range(filters)],
        [int(number) for number in bias],
        stride=stride,
        padding=padding,
    )
    expected = oracle.conv2d(x[None], kernel, bias, stride=stride, padding=padding)[0]
    np.testing.assert_array_equal(np.moveaxis(np.array(found.values, float), 0, -1), expected)
    matrix = trace.im2col(*found.filters)
    np.testing.assert_array_equal(np.array(matrix.columns, float).T, kernel.reshape(-1, filters))
    product = np.array(matrix.values[0], float) @ kernel.reshape(-1, filters) + bias
    np.testing.assert_array_equal(np.array(matrix.products, float).T, product)
    printed = np.moveaxis(expected, -1, 0).copy()
    printed[-1, 0, 1] += 1
    text = "|".join(";".join(" ".join(map(str, r)) for r in g) for g in printed.astype(int))
    (line,) = trace.check(found, trace.parse_printed(text)).lines
    last = f"channel {filters - 1} " if filters > 1 else ""
    right = int(expected[0, 1, -1])
    assert line.startswith(f"{last}(0,1): printed {right + 1}, is {right} = ")


@pytest.mark.parametrize(
    ("channels", "given", "grids"),
    [
        (1, ["1", "2", "3"], [1, 1, 1]),
        (2, ["1 | 2", "3 | 4"], [2, 2]),
        (2, ["1", "2", "3", "4"], [2, 2]),
        (4, ["1 | 2", "3", "4"], [4]),
    ],
)
def test_grids_are_filters_in_order(channels: int, given: list[str], grids: list[int]) -> None:
    found = trace.group_filters([trace.parse_stack(text) for text in given], channels)
    assert [len(kernel) for kernel in found] == grids
    flat = [grid[0][0] for kernel in found for grid in kernel]
    assert flat == list(range(1, len(flat) + 1))


@pytest.mark.parametrize(
    ("channels", "given", "got"),
    [(1, ["1 | 2"], 2), (2, ["1 | 2", "3"], 1), (3, ["1 | 2", "3 | 4"], 4), (2, ["1"], 1)],
)
def test_a_filter_has_the_channels_of_the_input(channels: int, given: list[str], got: int) -> None:
    message = f"kernel: got {got} channels; accepted: {channels}, as the input has"
    with pytest.raises(ValueError, match=re.escape(message)):
        trace.group_filters([trace.parse_stack(text) for text in given], channels)


@pytest.mark.parametrize(
    ("kernels", "bias", "message"),
    [
        (["1", "1 2"], [], "kernel: got 1x2 in filter 1; accepted: 1x1, as the first"),
        (["1", "2"], [5], "bias: got 1 numbers; accepted: none, or 2, one for each filter"),
        (["1"], [5, 6], "bias: got 2 numbers; accepted: none, or 1, one for each filter"),
    ],
)
def test_what_does_not_fit(kernels: list[str], bias: list[int], message: str) -> None:
    filters = [trace.parse_stack(text) for text in kernels]
    with pytest.raises(ValueError, match=re.escape(message)):
        trace.convolve_filters(trace.parse_stack("1 2; 3 4"), filters, bias)


def test_too_many_products_in_all() -> None:
    image = trace.parse_stack(";".join(["1 " * 200] * 200))
    with pytest.raises(ValueError, match=r"input: its windows have 1,040,000 numbers in all"):
        trace.convolve_filters(image, [trace.parse_stack("1")] * 26)
