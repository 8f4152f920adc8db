"""The options that the layers of `jcnn trace` share, and how what they tell is printed."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jcnn.cli.values import parse_exact_number, parse_padding, parse_size

if TYPE_CHECKING:
    from jcnn.trace import Convolution, Part, Stack
    from jcnn.trace.check import Result

Sources = tyro.conf.UseAppendAction[tuple[str, ...]]
Sizes = Annotated[tuple[int, ...], tyro.conf.arg(metavar="INT [INT]")]
OptionalGrid = Annotated[
    str | None, tyro.conf.arg(metavar="GRID", help_behavior_hint="(default: none)")
]


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Of every layer: its input, printed figures to check, and how to print."""

    input: Annotated[
        Sources, tyro.conf.arg(metavar="GRID", help_behavior_hint="(again: a channel more)")
    ] = ()
    """Numbers such as '0 1; 1 0' ('|' between channels), or a file: text, CSV, npy, a picture."""
    color: Literal["grey", "rgb"] = "grey"
    """What a picture is read as: its luminance, or red, green and blue; 0 to 255 each."""
    scale: Annotated[str, tyro.conf.arg(metavar="NUMBER")] = "1"
    """Every number of the input is divided by it; 255 brings a picture to 0..1."""
    check: OptionalGrid = None
    """Printed figures to compare; '?' and '.' are left out. Exit code 1 where one is wrong."""
    at: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(metavar="ROW COLUMN", help_behavior_hint="(default: all is printed)"),
    ] = None
    """Where the printed figures begin in the result, if they are a part of it."""
    markdown: bool = False
    """Print Markdown tables."""
    html: bool = False
    """Print a fragment of HTML for slides."""

    def inputs(self) -> "Stack":
        """The channels of --input."""
        return self.channels("input", self.input, scaled=True)

    def channels(self, name: str, sources: tuple[str, ...], *, scaled: bool = False) -> "Stack":
        """The channels of an option, each of its words in turn."""
        from jcnn.trace import join, read_stack

        if not sources:
            raise ValueError(f"--{name}: got none; accepted: numbers such as '0 1; 1 0', or a file")
        scale = parse_exact_number("--scale", self.scale) if scaled else 1
        if not scale:
            raise ValueError(f"--scale: got {self.scale}; accepted: a number that is not 0")
        stacks = [read_stack(s, f"--{name}", color=self.color, scale=scale) for s in sources]
        return join(stacks, f"--{name}")

    def show(self, result: "Result", parts: "list[Part]") -> None:
        """Print what is told and the check of it, then fail where a printed figure is wrong."""
        from jcnn.trace import check, read_printed, tell_check, to_html, to_markdown

        if self.markdown and self.html:
            raise ValueError("--markdown: got --html too; accepted: one of them")
        if self.at is not None and self.check is None:
            raise ValueError("--at: got no --check; accepted: with --check alone")
        found = None
        parts[1:1] = self._about_input()
        if self.check is not None:
            found = check(result, read_printed(self.check, "--check"), self.at)
            parts = [*parts, *tell_check(found)]
        if self.html:
            _print(to_html(parts))
        elif self.markdown:
            _print(to_markdown(parts))
        else:
            _print_text(parts)
        if found is not None and found.wrong:
            raise ArithmeticError(
                f"--check: {found.wrong} of {found.compared} printed figures wrong"
            )

    def _about_input(self) -> "list[Part]":
        """What the numbers of the input are, where the command's words changed them."""
        from jcnn.trace import Line, is_picture

        facts = []
        if any(map(is_picture, self.input)):
            kind = "in grey (luminance)" if self.color == "grey" else "in red, green and blue"
            facts.append(f"a picture {kind}, values 0 to 255")
        if self.scale != "1":
            facts.append(f"every number divided by {self.scale}")
        return [Line(f"Input: {', '.join(facts)}.")] if facts else []


@dataclass(frozen=True, kw_only=True)
class WindowOptions(LayerOptions):
    """Of a layer with a window."""

    stride: Sizes = (1,)
    """Cells between neighbouring windows: one number, or rows and columns."""
    padding: Annotated[str, tyro.conf.arg(metavar="valid|same|INT")] = "valid"
    """None, as much as keeps the size, or as many cells on every side."""


@dataclass(frozen=True, kw_only=True)
class ConvolutionOptions(WindowOptions):
    """Of a convolution, also as a matrix product."""

    kernel: Annotated[
        Sources, tyro.conf.arg(metavar="GRID", help_behavior_hint="(again: a channel more)")
    ] = ()
    """As --input; a grid for each channel of it. It is not turned round."""
    bias: Annotated[str, tyro.conf.arg(metavar="NUMBER")] = "0"
    """Added to every output cell."""
    dilation: Sizes = (1,)
    """Cells between neighbouring taps of the kernel."""

    def convolution(self) -> "Convolution":
        """What the options say, computed."""
        from jcnn.trace import convolve

        return convolve(
            self.inputs(),
            self.channels("kernel", self.kernel),
            parse_exact_number("--bias", self.bias),
            stride=parse_size("--stride", self.stride),
            padding=parse_padding("--padding", self.padding),
            dilation=parse_size("--dilation", self.dilation),
        )


def _print_text(parts: "list[Part]") -> None:
    from rich.console import Console

    from jcnn.trace import lay_out

    console = Console()
    with console.capture() as captured:
        for line in lay_out(parts, console.width):
            console.print(line, soft_wrap=True)
    _print(captured.get())


def _print(text: str) -> None:
    """Print on stdout, also where that has no sign for "about" and "times"."""
    from jcnn.trace.parts import TIMES

    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = text.replace("≈", "~").replace(TIMES, "x")
    print(text, end="")
