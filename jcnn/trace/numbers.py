"""Exact numbers: read from text, computed without rounding, shown as short as they are exact."""

import contextlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction

Number = int | Fraction  # whole numbers are ints and stay ints

DIGITS = 6  # significant digits of a number that is shown rounded
_LONGEST = 40  # characters of a number; more are no figure of a lecture
_LARGEST = 30  # powers of ten; "1e999999999" would fill the memory
_MOST_TERMS = 30  # of a sum that is shown on one line


def parse_number(text: str) -> Number:
    """The number that a text such as "-2", "0.25" or "1e-3" says, exactly.

    Raises:
        ValueError: it is none, or beyond 1e30 or below 1e-30; the message is the reason alone.
    """
    return exact(parse_decimal(text))


def parse_decimal(text: str) -> Decimal:
    """As `parse_number`, with the digits as they are written."""
    number = Decimal("nan")
    if len(text) <= _LONGEST and "_" not in text:  # as in Python's own 1_000
        with contextlib.suppress(InvalidOperation):
            number = Decimal(text)
    if not number.is_finite():
        raise ValueError(f"got {cut(text)}; accepted: a number such as 2, -0.5 or 1e-3")
    if number and not -_LARGEST <= number.adjusted() <= _LARGEST:
        raise ValueError(f"got {cut(text)}; accepted: numbers from 1e-30 to 1e30")
    return number


def exact(value: float | Decimal | Fraction) -> Number:
    """The same number without rounding: an int where it is whole."""
    ratio = Fraction(value)
    return ratio.numerator if ratio.denominator == 1 else ratio


def show_number(value: Number) -> str:
    """The shortest exact form, or six digits after "≈" where no form so short is exact."""
    value = exact(value)
    if isinstance(value, int) and abs(value) < 10**15:
        return str(value)
    rounded = f"{float(value):.{DIGITS}g}"
    return rounded if Fraction(rounded) == value else f"≈{rounded}"


def show_sum(terms: Iterable[Number]) -> str:
    """The terms with their signs, as in "2 + 0 - 3"; of very many, the first."""
    numbers = list(terms)
    text = ""
    for number in numbers[:_MOST_TERMS]:
        sign, size = ("-", -number) if number < 0 else ("+", number)
        text += f" {sign} {show_number(size)}"
    text = text[3:] if text.startswith(" + ") else f"-{text[3:]}"
    more = len(numbers) - _MOST_TERMS
    return f"{text} + ... ({more} more)" if more > 0 else text


def cut(text: str) -> str:
    """A user's text, quoted on one line, its end left out where it is long."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
