"""Parse and format exact numbers."""

import contextlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction

Number = int | Fraction  # an integer is always an int

DIGITS = 6  # significant digits of a rounded number
_LONGEST = 40  # characters of a number
_LARGEST = 30  # powers of ten; "1e999999999" would fill the memory
_MOST_TERMS = 30  # of a sum on one line


def parse_number(text: str) -> Number:
    """Parse a number such as "-2", "0.25" or "1e-3" exactly.

    Raises:
        ValueError: the text is not a number, or its magnitude is not 0 or 1e-30 to 1e30. The
            message does not name the argument.
    """
    return exact(parse_decimal(text))


def parse_decimal(text: str) -> Decimal:
    """Parse as `parse_number`, and keep the number of decimals."""
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
    """Convert without rounding, to an int where possible."""
    ratio = Fraction(value)
    return ratio.numerator if ratio.denominator == 1 else ratio


def show_number(value: Number) -> str:
    """Format exactly where six digits (15 for integers) suffice, else as "≈" and six digits."""
    value = exact(value)
    if isinstance(value, int) and abs(value) < 10**15:
        return str(value)
    rounded = f"{float(value):.{DIGITS}g}"
    return rounded if Fraction(rounded) == value else f"≈{rounded}"


def show_sum(terms: Iterable[Number]) -> str:
    """Format a sum such as "2 + 0 - 3"; after 30 terms only their number is given."""
    numbers = list(terms)
    text = ""
    for number in numbers[:_MOST_TERMS]:
        sign, size = ("-", -number) if number < 0 else ("+", number)
        text += f" {sign} {show_number(size)}"
    text = text[3:] if text.startswith(" + ") else f"-{text[3:]}"
    more = len(numbers) - _MOST_TERMS
    return f"{text} + ... ({more} more)" if more > 0 else text


def cut(text: str) -> str:
    """Quote a user's text on one line, truncated to 40 characters."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
