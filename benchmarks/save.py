"""Write and print the result of a benchmark, and exit with an error if it is wrong."""

import os
from pathlib import Path

from rich.console import Console

from jcnn.bench.record import Result
from jcnn.bench.save import save
from jcnn.bench.table import rich_table


def save_and_print(result: Result, folder: Path) -> None:
    """Write a result's files and print its table, its machine and its findings."""
    save(result, folder)
    # A table of many columns is unreadable when wrapped to the 80 characters of a log.
    console = Console(width=None if os.isatty(1) else 180)
    console.print(rich_table(result))
    for line in (result.machine, *result.findings):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def exit_if_wrong(results: list[Result]) -> None:
    """Exit with status 1 if a result is wrong, naming its contestant.

    Raises:
        SystemExit: a result differs from its reference by more than the tolerance.
    """
    wrong = [f"{row.case}: {row.contestant}" for result in results for row in result.wrong]
    if wrong:
        raise SystemExit(f"the answers disagree: {'; '.join(wrong)}")
