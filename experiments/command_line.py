"""The command line that all experiments share, and the lines that their results begin with."""

import argparse
from collections.abc import Sequence

from jcnn.system.machine import describe_machine


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser that shows the experiment's docstring and knows --quick."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="seconds, to see that it runs")
    return made


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def machine_line() -> str:
    """On what this was measured."""
    return ", ".join(f"{name} {text}" for name, text in describe_machine().items())
