"""Flatten, dense and softmax, number by number."""

import math
from dataclasses import dataclass
from fractions import Fraction

from jcnn.trace.grids import Grid, Stack, shape_of
from jcnn.trace.numbers import Number, exact, show_number, show_sum


@dataclass(frozen=True)
class Flattened:
    """An image as a vector.

    Attributes:
        places: row, column and channel of each number, in the order of the vector.
        values: the vector, as the only row of a stack.
    """

    places: tuple[tuple[int, int, int], ...]
    values: Stack

    def why(self, _: int, __: int, index: int) -> str:
        """The input cell that a number comes from."""
        row, column, channel = self.places[index]
        return f"input ({row},{column}) of channel {channel}"


def flatten(inputs: Stack) -> Flattened:
    """Flatten an image of H x W x C: element i = (r*W + c)*C + k.

    Args:
        inputs: one grid of H x W for each of C channels.
    """
    height, width, channels = shape_of(inputs)
    places = tuple(
        (row, column, channel)
        for row in range(height)
        for column in range(width)
        for channel in range(channels)
    )
    vector = tuple(inputs[channel][row][column] for row, column, channel in places)
    return Flattened(places, ((vector,),))


@dataclass(frozen=True)
class Dense:
    """A dense layer, unit by unit.

    Attributes:
        vector: D numbers.
        weights: D rows of U numbers.
        bias: U numbers.
        values: the U outputs, as the only row of a stack.
    """

    vector: tuple[Number, ...]
    weights: Grid
    bias: tuple[Number, ...]
    values: Stack

    def products(self, unit: int) -> tuple[Number, ...]:
        """Each input times its weight for one unit."""
        return tuple(x * row[unit] for x, row in zip(self.vector, self.weights, strict=True))

    def why(self, _: int, __: int, unit: int) -> str:
        """The sum that gives the output of a unit."""
        text = show_sum(self.products(unit))
        bias = self.bias[unit]
        return f"{text} + bias {show_number(bias)}" if bias else text


def dense(inputs: Stack, weights: Stack, bias: Stack | None = None) -> Dense:
    """Compute a dense layer in exact arithmetic.

    Args:
        inputs: D numbers in total; an image is flattened first.
        weights: one channel of D rows and U columns.
        bias: U numbers; None means no bias.

    Raises:
        ValueError: the sizes do not match.
    """
    vector = flatten(inputs).values[0][0]
    rows, units, channels = shape_of(weights)
    if channels != 1 or rows != len(vector):
        raise ValueError(
            f"weights: got {rows} rows in {channels} channels; accepted: {len(vector)} rows, "
            "one for each input, in one channel"
        )
    offsets = (0,) * units if bias is None else flatten(bias).values[0][0]
    if len(offsets) != units:
        raise ValueError(
            f"bias: got {len(offsets)} numbers; accepted: {units}, one for each unit (column)"
        )
    values: list[Number] = list(offsets)
    for x, row in zip(vector, weights[0], strict=True):
        for unit, weight in enumerate(row):
            values[unit] += x * weight
    return Dense(vector, weights[0], offsets, ((tuple(values),),))


@dataclass(frozen=True)
class DenseCount:
    """The number of parameters of a dense layer, as a formula and its value."""

    text: str
    values: Stack

    def why(self, _: int, __: int, ___: int) -> str:
        """The formula."""
        return self.text


def count_dense(inputs: int, units: int, *, bias: bool = True) -> DenseCount:
    """Count the parameters of a dense layer.

    Raises:
        ValueError: a size is below 1.
    """
    if min(inputs, units) < 1:
        raise ValueError(f"count: got {inputs} {units}; accepted: two ints >= 1")
    text = f"{inputs}*{units} weights" + (f" + {units} biases" if bias else ", no bias")
    return DenseCount(text, (((inputs * units + bias * units,),),))


@dataclass(frozen=True)
class Softmax:
    """A softmax, step by step; exp is rounded to float64, the rest is exact.

    Attributes:
        logits, shifted, powers: z, z - max(z), and exp(z - max(z)).
        largest, total: max(z), and the sum of `powers`.
        values: the probabilities, as the only row of a stack.
    """

    logits: tuple[Number, ...]
    largest: Number
    shifted: tuple[Number, ...]
    powers: tuple[Number, ...]
    total: Number
    values: Stack

    def why(self, _: int, __: int, index: int) -> str:
        """The quotient, such as "exp(-1) / 1.5"."""
        return f"exp({show_number(self.shifted[index])}) / {show_number(self.total)}"


def softmax(logits: Stack) -> Softmax:
    """Turn logits into probabilities: p = exp(z - max) / sum of exp(z - max).

    Args:
        logits: K numbers in total.
    """
    numbers = flatten(logits).values[0][0]
    largest = max(numbers)
    shifted = tuple(number - largest for number in numbers)
    powers = tuple(exact(math.exp(number)) for number in shifted)
    total = exact(sum(map(Fraction, powers), Fraction(0)))
    values = tuple(exact(Fraction(power) / total) for power in powers)
    return Softmax(numbers, largest, shifted, powers, total, ((values,),))
