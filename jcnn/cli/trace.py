"""`jcnn trace`: the arithmetic of one layer, number by number."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jcnn.cli.words import parse_padding

if TYPE_CHECKING:
    from jcnn.trace import Convolution, Number, Part, Stack
    from jcnn.trace.check import Result

_Sources = tyro.conf.UseAppendAction[tuple[str, ...]]
_Sizes = Annotated[tuple[int, ...], tyro.conf.arg(metavar="INT [INT]")]
_Optional = Annotated[
    str | None, tyro.conf.arg(metavar="GRID", help_behavior_hint="(default: none)")
]


@dataclass(frozen=True, kw_only=True)
class _Trace:
    input: Annotated[
        _Sources, tyro.conf.arg(metavar="GRID", help_behavior_hint="(again: a channel more)")
    ] = ()
    """Numbers such as '0 1; 1 0' ('|' between channels), or a file: text, CSV, npy, a picture."""
    color: Literal["grey", "rgb"] = "grey"
    """What a picture is read as: its luminance, or red, green and blue; 0 to 255 each."""
    scale: Annotated[str, tyro.conf.arg(metavar="NUMBER")] = "1"
    """Every number of the input is divided by it; 255 brings a picture to 0..1."""
    check: _Optional = None
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

    def _inputs(self) -> "Stack":
        return self._channels("input", self.input, scaled=True)

    def _channels(self, name: str, sources: tuple[str, ...], *, scaled: bool = False) -> "Stack":
        from jcnn.trace import join, read_stack

        if not sources:
            raise ValueError(f"--{name}: got none; accepted: numbers such as '0 1; 1 0', or a file")
        scale = _number("--scale", self.scale) if scaled else 1
        if not scale:
            raise ValueError(f"--scale: got {self.scale}; accepted: a number that is not 0")
        stacks = [read_stack(s, f"--{name}", color=self.color, scale=scale) for s in sources]
        return join(stacks, f"--{name}")

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

    def _show(self, result: "Result", parts: "list[Part]") -> None:
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


@dataclass(frozen=True, kw_only=True)
class _Windowed(_Trace):
    stride: _Sizes = (1,)
    """Cells between neighbouring windows: one number, or rows and columns."""
    padding: Annotated[str, tyro.conf.arg(metavar="valid|same|INT")] = "valid"
    """None, as much as keeps the size, or as many cells on every side."""


@dataclass(frozen=True, kw_only=True)
class _Convolved(_Windowed):
    kernel: Annotated[
        _Sources, tyro.conf.arg(metavar="GRID", help_behavior_hint="(again: a channel more)")
    ] = ()
    """As --input; a grid for each channel of it. It is not turned round."""
    bias: Annotated[str, tyro.conf.arg(metavar="NUMBER")] = "0"
    """Added to every output cell."""
    dilation: _Sizes = (1,)
    """Cells between neighbouring taps of the kernel."""

    def _convolution(self) -> "Convolution":
        from jcnn.trace import convolve

        return convolve(
            self._inputs(),
            self._channels("kernel", self.kernel),
            _number("--bias", self.bias),
            stride=_size("--stride", self.stride),
            padding=parse_padding(self.padding),
            dilation=_size("--dilation", self.dilation),
        )


@dataclass(frozen=True, kw_only=True)
class ConvCommand(_Convolved):
    """A convolution: input, kernel, the size formula, output; with --steps, every cell's sum."""

    steps: bool = False
    """Each output cell: the patch, the kernel, the products and their sum."""

    def run(self) -> None:
        """Print the convolution."""
        from jcnn.trace import tell_conv

        found = self._convolution()
        self._show(found, tell_conv(found, steps=self.steps))


@dataclass(frozen=True, kw_only=True)
class Im2ColCommand(_Convolved):
    """A convolution as a matrix product; --check compares the patch matrix."""

    def run(self) -> None:
        """Print the matrices."""
        from jcnn.trace import im2col, tell_im2col

        found = im2col(self._convolution())
        self._show(found, tell_im2col(found))


@dataclass(frozen=True, kw_only=True)
class PoolCommand(_Windowed):
    """Pooling: the maximum (marked) or the mean of each window."""

    size: _Sizes = (2,)
    """Height and width of the window."""
    stride: Annotated[_Sizes, tyro.conf.arg(help_behavior_hint="(default: the size)")] = ()
    """Cells between neighbouring windows: one number, or rows and columns."""
    average: bool = False
    """The mean instead of the maximum; padding is left out of it."""
    steps: bool = False
    """Each window by itself."""

    def run(self) -> None:
        """Print the pooling."""
        from jcnn.trace import pool, tell_pool

        found = pool(
            self._inputs(),
            _size("--size", self.size),
            stride=_size("--stride", self.stride) if self.stride else None,
            padding=parse_padding(self.padding),
            average=self.average,
        )
        self._show(found, tell_pool(found, steps=self.steps))


@dataclass(frozen=True, kw_only=True)
class FlattenCommand(_Trace):
    """A picture as a vector: i = (r*W + c)*C + k."""

    def run(self) -> None:
        """Print the vector, with the place of each number."""
        from jcnn.trace import flatten, tell_flatten

        inputs = self._inputs()
        found = flatten(inputs)
        self._show(found, tell_flatten(inputs, found))


@dataclass(frozen=True, kw_only=True)
class DenseCommand(_Trace):
    """A dense layer: each product and each unit's sum; with --count, its parameters."""

    weights: _Optional = None
    """A row for each input, a column for each unit."""
    bias: _Optional = None
    """A number for each unit."""
    count: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(metavar="INPUTS UNITS", help_behavior_hint="(default: none)"),
    ] = None
    """Only count the parameters of a layer of this size."""
    no_bias: bool = False
    """Count the weights alone."""

    def run(self) -> None:
        """Print the units, or the count."""
        from jcnn.trace import count_dense, dense, tell_dense, tell_dense_count

        if self.count is not None:
            if self.input or self.weights or self.bias:
                raise ValueError("--count: got --input, --weights or --bias too; accepted: alone")
            counted = count_dense(*self.count, bias=not self.no_bias)
            self._show(counted, tell_dense_count(counted))
            return
        if self.no_bias:
            raise ValueError("--no-bias: got no --count; accepted: with --count alone")
        found = dense(
            self._inputs(),
            self._channels("weights", () if self.weights is None else (self.weights,)),
            None if self.bias is None else self._channels("bias", (self.bias,)),
        )
        self._show(found, tell_dense(found))


@dataclass(frozen=True, kw_only=True)
class SoftmaxCommand(_Trace):
    """A softmax: the shift by the largest, each exp, their sum, the probabilities."""

    def run(self) -> None:
        """Print the steps."""
        from jcnn.trace import softmax, tell_softmax

        found = softmax(self._inputs())
        self._show(found, tell_softmax(found))


_Layer = (
    Annotated[ConvCommand, tyro.conf.subcommand("conv")]
    | Annotated[PoolCommand, tyro.conf.subcommand("pool")]
    | Annotated[FlattenCommand, tyro.conf.subcommand("flatten")]
    | Annotated[DenseCommand, tyro.conf.subcommand("dense")]
    | Annotated[SoftmaxCommand, tyro.conf.subcommand("softmax")]
    | Annotated[Im2ColCommand, tyro.conf.subcommand("im2col")]
)


@dataclass(frozen=True)
class TraceCommand:
    """The arithmetic of one layer, number by number; printed figures can be checked."""

    layer: Annotated[_Layer, tyro.conf.arg(name="")]

    def run(self) -> None:
        """Print the layer's steps."""
        self.layer.run()


def _number(name: str, text: str) -> "Number":
    from jcnn.trace import parse_number

    try:
        return parse_number(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _size(name: str, sizes: tuple[int, ...]) -> tuple[int, int]:
    if len(sizes) not in (1, 2) or min(sizes) < 1:
        got = " ".join(map(str, sizes)) or "none"
        raise ValueError(f"{name}: got {got}; accepted: one or two ints >= 1")
    return sizes[0], sizes[-1]


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
