"""The options shared by the layers of `jcnn trace`, and printing of the result."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jcnn.cli.values import parse_exact_number, parse_padding, parse_size

if TYPE_CHECKING:
    from jcnn.trace import ConvLayer, Part, Stack
    from jcnn.trace.check import Result

Sources = tyro.conf.UseAppendAction[tuple[str, ...]]
Sizes = Annotated[tuple[int, ...], tyro.conf.arg(metavar="INT [INT]")]
OptionalGrid = Annotated[
    str | None, tyro.conf.arg(metavar="GRID", help_behavior_hint="(default: none)")
]


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Options of every layer: its input, numbers to check, and the output format."""

    input: Annotated[
        Sources, tyro.conf.arg(metavar="GRID", help_behavior_hint="(repeat for each channel)")
    ] = ()
    """Numbers such as '0 1; 1 0' ('|' between channels), or a file: text, CSV, npy or image."""
    color: Literal["grey", "rgb"] = "grey"
    """Read an image file as luminance (grey) or as red, green and blue; values 0 to 255."""
    scale: Annotated[str, tyro.conf.arg(metavar="NUMBER")] = "1"
    """Divide the input by this number; 255 scales an image to 0..1."""
    check: OptionalGrid = None
    """Numbers to compare with the result; '?' and '.' are skipped. Exit code 1 if one is wrong."""
    at: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(
            metavar="ROW COLUMN", help_behavior_hint="(default: --check covers the whole result)"
        ),
    ] = None
    """Position of the first number of --check in the result, if it covers a part."""
    markdown: bool = False
    """Print Markdown tables."""
    html: bool = False
    """Print an HTML fragment for slides."""

    def inputs(self) -> "Stack":
        """The channels of --input."""
        return self.channels("input", self.input, scaled=True)

    def channels(self, name: str, sources: tuple[str, ...], *, scaled: bool = False) -> "Stack":
        """The channels of an option, from each of its values."""
        from jcnn.trace import join, read_stack

        self.check_given(name, sources)
        scale = parse_exact_number("--scale", self.scale) if scaled else 1
        if not scale:
            raise ValueError(f"--scale: got {self.scale}; accepted: a number that is not 0")
        stacks = [read_stack(s, f"--{name}", color=self.color, scale=scale) for s in sources]
        return join(stacks, f"--{name}")

    def check_given(self, name: str, sources: tuple[str, ...]) -> None:
        """Raise a ValueError if an option that is needed has no value."""
        if not sources:
            raise ValueError(f"--{name}: got none; accepted: numbers such as '0 1; 1 0', or a file")

    def show(self, result: "Result", parts: "list[Part]") -> None:
        """Print the parts and the result of --check, then raise if a number is wrong."""
        from jcnn.trace import check, describe_check, read_printed, to_html, to_markdown

        if self.markdown and self.html:
            raise ValueError("--markdown: got --html too; accepted: one of them")
        if self.at is not None and self.check is None:
            raise ValueError("--at: got no --check; accepted: with --check alone")
        found = None
        parts[1:1] = self._about_input()
        if self.check is not None:
            found = check(result, read_printed(self.check, "--check"), self.at)
            parts = [*parts, *describe_check(found)]
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
        """How the input was read from an image or scaled, if it was."""
        from jcnn.trace import Line, is_picture

        facts = []
        if any(map(is_picture, self.input)):
            kind = "in grey (luminance)" if self.color == "grey" else "in red, green and blue"
            facts.append(f"an image {kind}, values 0 to 255")
        if self.scale != "1":
            facts.append(f"every number divided by {self.scale}")
        return [Line(f"Input: {', '.join(facts)}.")] if facts else []


@dataclass(frozen=True, kw_only=True)
class WindowOptions(LayerOptions):
    """Options of a layer with a window."""

    stride: Sizes = (1,)
    """Step between windows, in cells: one number for both axes, or rows and columns."""
    padding: Annotated[str, tyro.conf.arg(metavar="valid|same|INT")] = "valid"
    """valid: no padding; same: keep the size; INT: cells of zeros on every side."""


@dataclass(frozen=True, kw_only=True)
class ConvolutionOptions(WindowOptions):
    """Options of a convolution, also as a matrix product."""

    kernel: Annotated[
        Sources,
        tyro.conf.arg(
            metavar="GRID", help_behavior_hint="(repeat for each filter, or each channel)"
        ),
    ] = ()
    """Kernel, in the format of --input: a grid for each input channel. It is not flipped."""
    bias: Annotated[
        Sources,
        tyro.conf.arg(metavar="NUMBER", help_behavior_hint="(default: 0; repeat for each filter)"),
    ] = ()
    """Number added to every output cell of a filter."""
    dilation: Sizes = (1,)
    """Step between taps of the kernel, in cells of the input."""

    def convolution(self) -> "ConvLayer":
        """Compute the convolution from the options."""
        from jcnn.trace import convolve_filters, group_filters, read_stack

        inputs = self.inputs()
        self.check_given("kernel", self.kernel)
        kernels = [read_stack(source, "--kernel", color=self.color) for source in self.kernel]
        return convolve_filters(
            inputs,
            group_filters(kernels, len(inputs)),
            [parse_exact_number("--bias", number) for number in self.bias],
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
    """Print on stdout, in ASCII where its encoding lacks the signs for "about" and "times"."""
    from jcnn.trace.parts import TIMES

    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = text.replace("≈", "~").replace(TIMES, "x")
    print(text, end="")
