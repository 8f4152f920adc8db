"""Printed numbers: which are wrong, and the messages about them."""

import re

import pytest

from jcnn import trace

CONV = trace.convolve(trace.parse_stack("1 2 3; 4 5 6; 7 8 9"), trace.parse_stack("1 0; 0 -2"), 1)
# The four cells: 1 - 10 + 1, 2 - 12 + 1, 4 - 16 + 1, 5 - 18 + 1.


def wrong(printed: str, at: tuple[int, int] | None = None) -> list[str]:
    return list(trace.check(CONV, trace.parse_printed(printed), at).lines)


def test_right_figures_agree() -> None:
    assert wrong("-8 -9; -11 -12") == []


def test_a_wrong_figure_is_named_with_its_sum() -> None:
    assert wrong("-8 -9; -12 -12") == ["(1,0): printed -12, is -11 = 4 + 0 + 0 - 16 + bias 1"]


def test_each_cell_counts_by_itself() -> None:
    right = [["-8", "-9"], ["-11", "-12"]]
    for row in range(2):
        for column in range(2):
            changed = [line[:] for line in right]
            changed[row][column] = "7"
            (line,) = wrong(";".join(" ".join(line) for line in changed))
            assert line.startswith(f"({row},{column}): printed 7, is {right[row][column]} = ")


@pytest.mark.parametrize(
    ("printed", "at", "count"),
    [("-11 -12", (1, 0), 0), ("-9; -12", (0, 1), 0), ("-12", (1, 1), 0), ("-8 -9", (1, 0), 2)],
)
def test_a_printed_part(printed: str, at: tuple[int, int], count: int) -> None:
    found = wrong(printed, at)
    assert len(found) == count
    assert [line[:5] for line in found] == [f"({at[0]},{at[1] + i})" for i in range(count)]


def test_figures_left_out() -> None:
    found = trace.check(CONV, trace.parse_printed("? -9; . 4"))
    assert (found.compared, found.wrong) == (2, 1)


@pytest.mark.parametrize(
    ("printed", "at", "message"),
    [
        ("1 2 3", None, "check: got 1x3 figures; accepted: 2x2"),
        ("-8 -9", None, "or a part of it and --at ROW COLUMN"),
        ("-8 -9", (2, 0), "at: got 2 0 for 1x2 figures; accepted: a place inside"),
        ("-8 -9", (0, 1), "at: got 0 1"),
        ("-8 -9", (-1, 0), "at: got -1 0"),
        ("? .; ? .", None, "check: got no figure"),
        ("1 2; 3 4 | 1 2; 3 4", None, "check: got 2 channels; accepted: 1"),
    ],
)
def test_what_does_not_fit(printed: str, at: tuple[int, int] | None, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        wrong(printed, at)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("printed", "agrees"),
    [
        ("0.67", True),
        ("0.7", True),
        ("0.6667", True),
        ("0.66", False),
        ("0.666", False),
        ("0.6", False),
        ("1", False),  # a whole number stands for itself alone
        ("0.66666667", True),
        ("0.66666666", False),
    ],
)
def test_decimals_stand_for_what_rounds_to_them(printed: str, agrees: bool) -> None:
    mean = trace.pool(trace.parse_stack("0 1 1"), (1, 3), average=True)  # 2 / 3
    assert trace.check(mean, trace.parse_printed(printed)).wrong == (not agrees)


def test_channels_are_told_apart() -> None:
    found = trace.pool(trace.parse_stack("1 2; 3 4 | 5 6; 7 8"), 2)
    assert trace.check(found, trace.parse_printed("4 | 8")).wrong == 0
    (line,) = trace.check(found, trace.parse_printed("4 | 9")).lines
    assert line == "channel 1 (0,0): printed 9, is 8 = max(5, 6, 7, 8)"
