"""`jcnn draw`: draw figures for slides and papers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jcnn.cli.model_options import ModelOptions
from jcnn.cli.run_options import BuiltBy, RunFolder
from jcnn.cli.values import parse_padding

_Png = Annotated[Path, tyro.conf.arg(metavar="FILE.png")]


@dataclass(frozen=True)
class StripsCommand(BuiltBy):
    """Draw every layer's output for one image, one heat map per channel."""

    run_folder: RunFolder
    """Run folder written by jcnn train."""
    image: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="IMAGE")]
    """Image file; it is converted to the shape of the model's input."""
    layers: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: all)")
    ] = ()
    """Names of the layers to draw, as in jcnn explore, such as "conv2d relu"."""
    most: int = 32
    """Largest number of channels per layer."""
    out: _Png = Path("strips.png")
    """PNG file to write; an existing file is replaced."""

    def run(self) -> None:
        """Load the run and the image, draw, and print the file's name."""
        _check_out(self.out, ".png")
        from jcnn.compile import use_cache
        from jcnn.data import read_image
        from jcnn.report import activation_strips

        use_cache()
        model, config = self.load(self.run_folder)
        image = read_image(self.image, config.input_shape, config.resize)
        layers = self.layers or None
        _write(self.out, activation_strips(model, image, layers=layers, most=self.most).png)


@dataclass(frozen=True)
class FiltersCommand(BuiltBy):
    """Draw the kernels of one convolution layer of a trained model."""

    run_folder: RunFolder
    """Run folder written by jcnn train."""
    layer: Annotated[
        str | None,
        tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: the only convolution)"),
    ] = None
    """Name of the layer to draw; jcnn summary lists them."""
    most: int = 16
    """Largest number of filters, and of input channels."""
    out: _Png = Path("filters.png")
    """PNG file to write; an existing file is replaced."""

    def run(self) -> None:
        """Load the run, draw, and print the file's name."""
        _check_out(self.out, ".png")
        from jcnn.report import filter_sheet

        model, _ = self.load(self.run_folder)
        _write(self.out, filter_sheet(model, self.layer, most=self.most).png)


@dataclass(frozen=True)
class NetworkCommand(ModelOptions):
    """Draw a model's layers as boxes to scale, with their shapes and parameters."""

    out: Annotated[Path, tyro.conf.arg(metavar="FILE.svg")] = Path("network.svg")
    """SVG file to write; an existing file is replaced."""

    def run(self) -> None:
        """Summarise the model, draw, and print the file's name."""
        _check_out(self.out, ".svg")
        from jcnn.report.diagram import draw_summary

        _write(self.out, draw_summary(self.summarise()).encode())


@dataclass(frozen=True)
class ConvolutionCommand:
    """Draw the convolution of a small grid, step by step, as an animation."""

    input: Annotated[str, tyro.conf.arg(metavar="GRID")]
    """Numbers such as '1 2; 3 4', or a file (see jcnn trace); at most 12 x 12 with padding."""
    kernel: Annotated[str, tyro.conf.arg(metavar="GRID")]
    """Numbers or a file, at most 7 x 7; the kernel is not flipped."""
    padding: Annotated[str, tyro.conf.arg(metavar="valid|same|INT")] = "valid"
    """valid: no padding; same: keep the size; INT: cells of zeros on every side."""
    stride: int = 1
    """Step from one window to the next, in cells."""
    dilation: int = 1
    """Step between taps of the kernel, in cells of the input."""
    seconds: float = 1.0
    """Duration of one step, in seconds."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE.gif")] = Path("convolution.gif")
    """GIF file to write; an existing file is replaced."""

    def run(self) -> None:
        """Read the grids, draw, and print the file's name."""
        _check_out(self.out, ".gif")
        from jcnn.report.convolution_gif import MOST_CELLS, MOST_TAPS, convolution_gif

        grid = _grid("--input", self.input, MOST_CELLS)
        kernel = _grid("--kernel", self.kernel, MOST_TAPS)
        padding = parse_padding("--padding", self.padding)
        gif = convolution_gif(
            grid,
            kernel,
            padding=padding,
            stride=self.stride,
            dilation=self.dilation,
            seconds=self.seconds,
        )
        _write(self.out, gif)


_What = (
    Annotated[StripsCommand, tyro.conf.subcommand("strips")]
    | Annotated[FiltersCommand, tyro.conf.subcommand("filters")]
    | Annotated[NetworkCommand, tyro.conf.subcommand("network")]
    | Annotated[ConvolutionCommand, tyro.conf.subcommand("convolution")]
)


@dataclass(frozen=True)
class DrawCommand:
    """Draw figures for slides: activations, filters, a network, an animated convolution."""

    what: Annotated[_What, tyro.conf.arg(name="")]

    def run(self) -> None:
        """Draw the figure."""
        self.what.run()


def _check_out(out: Path, suffix: str) -> None:
    """Raise if `out` cannot be written, before any work is done."""
    if out.suffix.lower() != suffix:
        raise ValueError(f"--out: got {str(out)!r}; accepted: a name that ends in {suffix}")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"--out: {out.parent}: no such folder")


def _write(out: Path, content: bytes) -> None:
    from jcnn.system.files import write_bytes

    try:
        write_bytes(out, [content])
    except OSError as error:
        raise ValueError(f"{out}: cannot be written ({error.strerror})") from error
    print(out)


def _grid(option: str, source: str, most: int) -> list[list[float]]:
    """Numbers from text or a file; an error names the option."""
    from jcnn.report.cell_numbers import read_grid
    from jcnn.trace import read_stack

    stack = read_stack(source, option)
    if len(stack) > 1:
        raise ValueError(f"{option}: got {len(stack)} channels; accepted: one")
    numbers = [[float(number) for number in row] for row in stack[0]]
    read_grid(option, numbers, most)
    return numbers
