"""Where results go: a table on the terminal; JSON, a page of Markdown and a plot in a folder."""

from pathlib import Path

from rich.console import Console

from jcnn.bench.plot import png
from jcnn.bench.record import Result, write_json
from jcnn.bench.table import markdown, rich_table
from jcnn.files import write_bytes, write_text


def keep(result: Result, folder: Path) -> None:
    """Print a result, and write NAME.json, NAME.md and, where something was timed, NAME.png.

    Raises:
        SystemExit: with status 1 after all is written, where a row's answer is wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(result, folder / f"{result.name}.json")
    write_text(folder / f"{result.name}.md", markdown(result))
    if any(row.seconds for row in result.rows):
        write_bytes(folder / f"{result.name}.png", [png(result)])
    console = Console()
    console.print(rich_table(result))
    for line in (result.machine, *result.findings):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if result.wrong:
        names = ", ".join(f"{row.case}: {row.contestant}" for row in result.wrong)
        raise SystemExit(f"the answers disagree: {names}")
