"""Printing a table on stdout."""

from rich.console import Console
from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table as text: through `print`, which tells of a reader that has gone away."""
    console = Console()
    with console.capture() as text:
        console.print(table)
    print(text.get(), end="")
