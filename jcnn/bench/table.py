"""Format a result as a table, for the terminal and in Markdown."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from jcnn.bench.record import Result, Row, ratio

TIME_UNITS = (("s", 1.0), ("ms", 1e3), ("us", 1e6))


def cells(result: Result) -> tuple[list[str], list[list[str]]]:
    """The table's header and rows as text, without empty columns.

    Group and case appear only in the first of their rows.
    """
    over = f"/ {result.baseline}"
    names = list(dict.fromkeys(name for row in result.rows for name in row.figures))
    head = ["group", "case", "contestant", "median", "quartiles", "n", over, *names]
    head += ["agrees", "note"]
    body = []
    before: tuple[str, str] | None = None
    for row in result.rows:
        again = before == (row.group, row.case)
        share = ratio(result.rows, row, result.baseline)
        same_group = before is not None and before[0] == row.group
        texts = ["" if same_group else row.group, "" if again else row.case]
        before = (row.group, row.case)
        texts += [row.contestant, *_times(row), "" if share is None else f"{share:.2f}"]
        texts += [figure(row.figures[name]) if name in row.figures else "" for name in names]
        body.append([*texts, row.agreement(), row.note])
    filled = [i for i in range(len(head)) if any(line[i] for line in body)]
    return [head[i] for i in filled], [[line[i] for i in filled] for line in body]


def rich_table(result: Result) -> Table:
    """The table for a terminal."""
    head, body = cells(result)
    table = Table(title=result.question, title_justify="left", box=SIMPLE_HEAD)
    for name in head:
        words = name in ("group", "case", "contestant", "agrees", "note")
        table.add_column(name, justify="left" if words else "right", no_wrap=True)
    several = any(line[head.index("case")] == "" for line in body)
    for line, after in zip(body, [*body[1:], None], strict=True):
        last_of_case = after is not None and after[head.index("case")] != ""
        table.add_row(*line, end_section=several and last_of_case)
    return table


def terminal(result: Result) -> str:
    """The table as text, wide enough that no row is wrapped."""
    table = rich_table(result)
    console = Console(width=Console(width=10_000).measure(table).maximum)
    with console.capture() as text:
        console.print(table)
    return text.get()


def markdown(result: Result) -> str:
    """The result as a Markdown page: question, machine, findings, table."""
    head, body = cells(result)
    lines = [f"# {result.name}", "", result.question, ""]
    lines += [f"`{result.command}`, {result.date}. {result.machine}.", ""]
    lines += [f"- {finding}" for finding in result.findings] + [""] * bool(result.findings)
    lines += [_line(head), _line(["---"] * len(head)), *map(_line, body)]
    return "\n".join(lines) + "\n"


def time_text(seconds: float, unit: str = "") -> str:
    """A duration to three digits, in the given unit or the largest suitable one."""
    unit = unit or unit_of(seconds)
    return f"{figure(seconds * dict(TIME_UNITS)[unit])} {unit}"


def unit_of(seconds: float) -> str:
    """The largest unit in which a duration is at least 1."""
    return next((unit for unit, factor in TIME_UNITS if seconds * factor >= 0.9995), "us")


def figure(value: float) -> str:
    """A number to three digits; large numbers are rounded to integers."""
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.1e}"
    digits = next(
        (d for d, least in ((0, 99.95), (1, 9.995), (2, 0.9995)) if abs(value) >= least), 3
    )
    return f"{value:,.{digits}f}"


def _times(row: Row) -> list[str]:
    if row.median is None or row.quartiles is None:
        return ["", "", ""]
    unit = unit_of(row.median)
    low, high = (time_text(time, unit) for time in row.quartiles)
    return [time_text(row.median, unit), f"{low.removesuffix(f' {unit}')} to {high}", str(row.n)]


def _line(texts: list[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
