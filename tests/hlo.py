"""Read the convolutions of a compiled program, and check that XLA:CPU runs them fast."""

import re

FAST = "b01f_01io->b01f"  # NHWC x HWIO -> NHWC


def convolutions(hlo: str) -> list[str]:
    """Every instruction of a compiled program that is a convolution."""
    return [line for line in hlo.splitlines() if re.search(r"= \S+ convolution\(", line)]


def faults(instruction: str) -> list[str]:
    """Why XLA:CPU would run this convolution in its slow loops."""
    found = []
    labels = re.search(r"dim_labels=(\S+?)(,|$)", instruction)
    if labels is None or labels[1] != FAST:
        found.append(f"dim_labels {labels and labels[1]}")
    if "rhs_reversal" in instruction:
        found.append("reversed kernel")
    padding = re.search(r" pad=([-\d_x]+)", instruction)
    if padding is not None and "-" in padding[1]:
        found.append(f"negative padding {padding[1]}")
    return found
