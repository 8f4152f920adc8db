"""The argument parser and the output formats that all experiments share."""

import argparse
from collections.abc import Sequence

from jcnn.system.machine import describe_machine


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Create a parser with the experiment's docstring as help and the option --quick."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="run for a few seconds, as a test")
    return made


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Format a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def machine_line() -> str:
    """One line that describes the machine."""
    return ", ".join(f"{name} {text}" for name, text in describe_machine().items())
