"""Print a table on stdout."""

from rich.console import Console
from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table through `print`, which raises BrokenPipeError when the reader has closed."""
    console = Console()
    with console.capture() as text:
        console.print(table)
    print(text.get(), end="")
