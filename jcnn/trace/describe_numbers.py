"""Describe what changes every number by itself, activation functions and dropout."""

from collections.abc import Iterator

from jcnn.trace.activations import Activated
from jcnn.trace.dropout import Dropped
from jcnn.trace.grids import Stack, by_size
from jcnn.trace.numbers import show_number
from jcnn.trace.parts import TIMES, Line, Part, Row, block

MOST_STEPS = 300


def describe_activation(found: Activated, *, steps: bool = False) -> list[Part]:
    """Describe an activation: the formula, input and output; with `steps`, every number.

    Raises:
        ValueError: there are too many steps to describe.
    """
    return [
        Line(f"{found.name}: input {_size(found.inputs)}", "title"),
        Line(f"y = {found.formula}"),
        *(
            Row(
                (
                    block(_name("input", channel, found.inputs), x),
                    "->",
                    block(_name("output", channel, found.inputs), y, "output"),
                )
            )
            for channel, (x, y) in enumerate(zip(found.inputs, found.values, strict=True))
        ),
        *(_steps(found) if steps else ()),
    ]


def describe_dropout(found: Dropped, *, steps: bool = False) -> list[Part]:
    """Describe a dropout: input, mask, scale and output; with `steps`, every number.

    Raises:
        ValueError: there are too many steps to describe.
    """
    scale, count = show_number(found.scale), sum(len(g) * len(g[0]) for g in found.mask)
    dropped = sum(row.count(0) for grid in found.mask for row in grid)
    rounded = (
        f"; the mask takes 16 random bits a number, which round the rate to "
        f"{show_number(found.applied)}"
        if found.applied != found.rate
        else ""
    )
    return [
        Line(
            f"Dropout: input {_size(found.inputs)}, rate {show_number(found.rate)}, "
            f"seed {found.seed}",
            "title",
        ),
        Line(
            f"A kept number is multiplied by 1 / (1 - rate) = {scale}, which keeps the mean"
            f"{rounded}."
        ),
        Line(f"The mask drops {dropped} of {count} numbers. Dropout acts in training alone."),
        *(
            Row(
                (
                    block(_name("input", channel, found.inputs), x),
                    TIMES,
                    block(_name("mask", channel, found.inputs), mask, "kernel"),
                    TIMES,
                    block("scale", ((found.scale,),), "product"),
                    "=",
                    block(_name("output", channel, found.inputs), y, "output"),
                )
            )
            for channel, (x, mask, y) in enumerate(
                zip(found.inputs, found.mask, found.values, strict=True)
            )
        ),
        *(_steps(found) if steps else ()),
    ]


def _steps(found: Activated | Dropped) -> Iterator[Part]:
    """One line for each number, channel by channel, row by row."""
    count = sum(len(grid) * len(grid[0]) for grid in found.values)
    if count > MOST_STEPS:
        raise ValueError(
            f"steps: got {count:,} numbers; accepted: up to {MOST_STEPS}: take a part of the "
            "input, or leave the steps out"
        )
    for channel, grid in enumerate(found.values):
        if len(found.values) > 1:
            yield Line(f"Channel {channel}", "title")
        for r, row in enumerate(grid):
            for c, value in enumerate(row):
                yield Line(f"({r},{c}): {found.why(channel, r, c)} = {show_number(value)}")


def _name(title: str, channel: int, stack: Stack) -> str:
    return f"{title}, channel {channel}" if len(stack) > 1 else title


def _size(stack: Stack) -> str:
    channels = len(stack)
    return by_size(stack[0]) + (f" in {channels} channels" if channels > 1 else "")
