"""Reading a compiled program: in which form its convolutions reach the CPU."""

import re

FAST = "b01f_01io->b01f"  # NHWC x HWIO -> NHWC


def convolutions(program: str) -> list[str]:
    """The lines of optimised HLO that are convolutions."""
    return [
        line.strip() for line in program.splitlines() if re.search(r"= \S+ convolution\(", line)
    ]


def slow_convolutions(program: str) -> list[str]:
    """Those that XLA:CPU runs in naive loops: another layout, a reversed window, a crop."""
    return [
        line
        for line in convolutions(program)
        if f"dim_labels={FAST}" not in line
        or "rhs_reversal" in line
        or re.search(r"pad=\S*-\d", line)
    ]
