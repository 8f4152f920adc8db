"""Parse a command line with tyro, and explain a mistake in it in one line.

tyro explains a mistake in a framed paragraph, wrapped to the terminal's width. jcnn promises
scripts one line, in which a long path is not wrapped, and suggests what was meant.
"""

import ast
import contextlib
import io
import os
import re
from collections.abc import Iterator
from typing import Any

import tyro

from jcnn.suggest import did_you_mean

# tyro's names of types, as jcnn's messages write them.
_KINDS = {
    "INT": "an int",
    "FLOAT": "a number",
    "RATE": "a number",
    "INT|{all}": "all or an int",
    "[FLOAT [FLOAT ...]]": "numbers",
    "{[FLOAT [FLOAT ...]]}|{[STR FLOAT [STR FLOAT ...]]}|{balanced}": (
        "numbers, class names and numbers, or balanced"
    ),
}


def parse_command(commands: Any, description: str, arguments: list[str]) -> Any:
    """Build the command that the arguments name.

    Args:
        commands: a union of annotated dataclasses, one for each command.
        description: first lines of `jcnn --help`.
        arguments: the words after `jcnn`.

    Raises:
        ValueError: the arguments are wrong; the message is one line.
        SystemExit: help was printed.
    """
    explained = io.StringIO()
    asks_help = not {"-h", "--help"}.isdisjoint(arguments)
    try:
        with contextlib.redirect_stderr(explained), _columns(None if asks_help else 10_000):
            return tyro.cli(
                commands,
                prog="jcnn",
                description=description,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
    command, help_text = _command(commands, arguments)
    wrong, guess = _explain(_paragraphs(explained.getvalue()), help_text)
    raise ValueError("; ".join([wrong, f"see {' '.join(['jcnn', *command, '--help'])}"]) + guess)


@contextlib.contextmanager
def _columns(width: int | None) -> Iterator[None]:
    """Make the terminal appear `width` columns wide; None changes nothing."""
    before = os.environ.get("COLUMNS")
    if width is not None:
        os.environ["COLUMNS"] = str(width)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("COLUMNS", None)
        else:
            os.environ["COLUMNS"] = before


def _command(commands: Any, arguments: list[str]) -> tuple[list[str], str]:
    """The longest command that the arguments begin with, such as draw filters, and its help."""
    command: list[str] = []
    text = _help(commands, command)
    for word in arguments:
        # Subcommands end the usage line: {a,b}, or [{a,b}] where they may be omitted.
        names = re.search(r" (?:\[\{([\w,]+)\}\]|\{([\w,]+)\})$", text.splitlines()[0])
        if not names or word not in (names[1] or names[2]).split(","):
            break
        command.append(word)
        text = _help(commands, command)
    return command, text


def _help(commands: Any, command: list[str]) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit), _columns(10_000):
        parse_command(commands, "", [*command, "--help"])
    return text.getvalue().lstrip()


def _paragraphs(frame: str) -> list[list[str]]:
    """The lines in tyro's frame, cut at its rules.

    On a terminal the frame has colours. Where stdout is not UTF-8 it has no sides, and a rule
    separates its title from the first paragraph.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", frame)
    lines = [line.strip("│ ") for line in plain.splitlines()]
    cut = "\n".join("\f" if re.fullmatch("[╭╰].*|[─-]+", line) else line for line in lines)
    found = [lines for part in cut.split("\f") if (lines := part.split("\n")) and any(lines)]
    kept = [[line for line in lines if line] for lines in found]
    return kept if "╭" in plain else kept[1:]


def _explain(paragraphs: list[list[str]], help_text: str) -> tuple[str, str]:
    """What is wrong with the arguments, and a guess of what was meant ("" for none)."""
    first, *more = paragraphs
    wrong = " ".join(first)
    after = more[0] if more else [""]
    if unknown := re.match(r"Unrecognized options: ?([^,]*)", wrong):
        return _unknown(unknown[1], after[0], help_text)
    if choice := re.search(
        r"invalid choice '(.*)' for argument '(.*)'\. .* one of \((.*)\)", wrong
    ):
        # tyro lists the choices of an optional argument in random order, with None among them.
        listed = re.findall(r"'([^']*)'", choice[3])
        ordered = sorted(set(listed) - {"None"}) if "None" in listed else listed
        got = f"{choice[2]}: got {choice[1]!r}; accepted: {', '.join(ordered)}"
        return got, did_you_mean(choice[1], ordered)
    if parsing := re.match(r"Error parsing ([\w-]+): (.*)", wrong):
        return _unparsed(parsing[1], parsing[2], after), ""
    if value := re.match(r"Missing value for argument '(.*)'\. Expected 1 ", wrong):
        return f"{value[1]}: got no value", ""
    if wrong.startswith("Missing from jcnn"):
        names = [first[i] for i in range(1, len(first)) if i == 1 or "(required)" in first[i - 1]]
        return f"missing: {', '.join(names)}", ""
    if commands := re.match(r"Expected one of \{(.*)\}", wrong):
        return f"command: got none; accepted: {commands[1]}", ""
    return wrong.rstrip("."), ""


def _unparsed(option: str, reason: str, help_lines: list[str]) -> str:
    """What to say of a value of the wrong type."""
    before = r" instantiated from | parse for arguments: | with base 10: | string to float: "
    _, *values = re.split(before, reason.partition(" Got errors:")[0].rstrip("."), maxsplit=1)
    if not values or len(help_lines) < 2:
        return f"{option}: {reason}"
    value = ast.literal_eval(values[0])
    got = " ".join(value) if isinstance(value, list) else value
    kind = help_lines[1].removeprefix(option).strip().removeprefix("{None}|")
    return f"{option}: got {repr(got) if got else 'no value'}; accepted: {_KINDS.get(kind, kind)}"


def _unknown(word: str, available: str, help_text: str) -> tuple[str, str]:
    """What to say of an option, a command or an argument that does not exist."""
    if word.startswith("-"):
        options = {"--version", *re.findall(r"--[a-z][a-z-]*", help_text)}
        return f"unknown option {word}", did_you_mean(word, sorted(options))
    if available.startswith("Available subcommands: "):
        names = available.removeprefix("Available subcommands: ")
        return f"command: got {word!r}; accepted: {names}", did_you_mean(word, names.split(", "))
    return f"unexpected argument {word!r}", ""
