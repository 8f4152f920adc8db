"""Describe flatten, dense and softmax, and a check, as lines and grids."""

from collections.abc import Iterator

from jcnn.trace.check import Check, Finding
from jcnn.trace.grids import Stack, by_size
from jcnn.trace.numbers import show_number, show_sum
from jcnn.trace.parts import TIMES, Block, Cell, Line, Part, Row, block, column
from jcnn.trace.vectors import Dense, DenseCount, Flattened, Softmax

MOST_PRODUCTS = 1_000
MOST_SLOTS = 4_096


def describe_flatten(inputs: Stack, found: Flattened) -> list[Part]:
    """Describe a flatten: the image, the formula, and the vector with the origin of each number.

    Raises:
        ValueError: the vector is too long to describe.
    """
    _check_length(len(found.places), MOST_SLOTS, "input", "numbers")
    channels = len(inputs)
    numbers = tuple(Cell(show_number(number)) for number in found.values[0][0])
    places = tuple(Cell(",".join(map(str, place))) for place in found.places)
    slots = tuple(Cell(str(i)) for i in range(len(places)))
    names = ("i", "r,c,k", "value")
    return [
        Line(
            f"Flatten: {by_size(inputs[0])} in {channels} channel{'s' if channels > 1 else ''} "
            f"to {len(places)} numbers",
            "title",
        ),
        Line(f"i = (r*W + c)*C + k, with W = {len(inputs[0][0])}, C = {channels}"),
        Row(
            tuple(
                block(f"input, channel {k}" if channels > 1 else "input", grid)
                for k, grid in enumerate(inputs)
            )
        ),
        Row((Block("output", (slots, places, numbers), "output", names),)),
    ]


def describe_dense(found: Dense) -> list[Part]:
    """Describe a dense layer unit by unit: inputs, weights, products and their sum.

    Raises:
        ValueError: there are too many products to describe.
    """
    inputs, units = len(found.vector), len(found.bias)
    _check_length(inputs * units, MOST_PRODUCTS, "weights", "products")
    parts: list[Part] = [Line(f"Dense: {inputs} inputs, {units} units", "title")]
    for unit in range(units):
        products, bias = found.products(unit), found.bias[unit]
        value = found.values[0][0][unit]
        parts += [
            Line(f"Unit {unit}", "title"),
            Row(
                (
                    column("input", found.vector),
                    TIMES,
                    column("weight", (row[unit] for row in found.weights), "kernel"),
                    "=",
                    column("product", products, "product"),
                )
            ),
            Line(
                f"sum: {show_sum(products)}{f' + bias {show_number(bias)}' if bias else ''} "
                f"= {show_number(value)}"
            ),
        ]
    return [*parts, Row((block("output", found.values[0], "output"),))]


def describe_dense_count(found: DenseCount) -> list[Part]:
    """Describe the number of parameters."""
    return [Line(f"Dense: {found.text} = {found.values[0][0][0]} parameters", "title")]


def describe_softmax(found: Softmax) -> list[Part]:
    """Describe a softmax: the shift by the largest logit, each exp, their sum, the probabilities.

    Raises:
        ValueError: there are too many classes to describe.
    """
    _check_length(len(found.logits), MOST_PRODUCTS, "input", "numbers")
    largest, total = show_number(found.largest), show_number(found.total)
    return [
        Line(f"Softmax: {len(found.logits)} logits z", "title"),
        Line(f"p = exp(z - max) / sum, with max = {largest}, which keeps exp from overflowing"),
        Row(
            (
                column("z", found.logits),
                column("z - max", found.shifted),
                column("exp(z - max)", found.powers, "product"),
                column("p", found.values[0][0], "output"),
            )
        ),
        Line(f"sum: {show_sum(found.powers)} = {total}"),
        Line(f"The probabilities add up to {show_number(sum(found.values[0][0]))}."),
    ]


def describe_check(found: Check) -> Iterator[Part]:
    """Describe a check: the printed figures marked right or wrong, the corrections, and a count."""
    yield Line("Check of the printed figures", "title")
    part = "" if found.at == (0, 0) else f", from ({found.at[0]},{found.at[1]}) on"
    for channel, grid in enumerate(found.findings):
        whose = f", channel {channel}" if len(found.findings) > 1 else ""
        rows = tuple(tuple(map(_cell, row)) for row in grid)
        right = ((finding.value for finding in row) for row in grid)
        yield Row((Block(f"printed{whose}{part}", rows), block("right", right, "output")))
    for line in found.lines:
        yield Line(line, "wrong")
    left_out = sum(len(row) for grid in found.findings for row in grid) - found.compared
    counted = f"{found.compared - found.wrong} of {found.compared} printed figures agree"
    wrong = f", {found.wrong} {'is' if found.wrong == 1 else 'are'} wrong" if found.wrong else ""
    rest = f"; {left_out} not compared" if left_out else ""
    yield Line(f"{counted}{wrong}{rest}.", "wrong" if found.wrong else "right")


def _cell(finding: Finding) -> Cell:
    if finding.printed is None:
        return Cell("?", "open")
    return Cell(finding.printed.text, "wrong" if finding.wrong else "right")


def _check_length(count: int, most: int, name: str, what: str) -> None:
    if count > most:
        raise ValueError(f"{name}: got {count:,} {what}; accepted: up to {most:,}: take a part")
