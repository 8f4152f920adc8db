"""`jcnn trace`: print the arithmetic of one layer."""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from jcnn.cli.trace_options import (
    ConvolutionOptions,
    LayerOptions,
    OptionalGrid,
    Sizes,
    WindowOptions,
)
from jcnn.cli.values import parse_exact_number, parse_padding, parse_size


@dataclass(frozen=True, kw_only=True)
class ConvCommand(ConvolutionOptions):
    """Print a convolution: input, kernel, size formula and output."""

    steps: bool = False
    """Print each output cell: the patch, the kernel, the products and their sum."""

    def run(self) -> None:
        """Print the convolution."""
        from jcnn.trace import describe_conv

        found = self.convolution()
        self.show(found, describe_conv(*found.filters, steps=self.steps))


@dataclass(frozen=True, kw_only=True)
class Im2ColCommand(ConvolutionOptions):
    """Print a convolution as a matrix product (im2col); --check compares the patch matrix."""

    def run(self) -> None:
        """Print the matrices."""
        from jcnn.trace import describe_im2col, im2col

        found = im2col(*self.convolution().filters)
        self.show(found, describe_im2col(found))


@dataclass(frozen=True, kw_only=True)
class PoolCommand(WindowOptions):
    """Print pooling: the maximum (marked) or the mean of each window."""

    size: Sizes = (2,)
    """Height and width of the window: one number for both, or two."""
    stride: Annotated[Sizes, tyro.conf.arg(help_behavior_hint="(default: the size)")] = ()
    """Step between windows, in cells: one number for both axes, or rows and columns."""
    average: bool = False
    """Take the mean instead of the maximum; padding does not count in the mean."""
    steps: bool = False
    """Print each window."""

    def run(self) -> None:
        """Print the pooling."""
        from jcnn.trace import describe_pool, pool

        found = pool(
            self.inputs(),
            parse_size("--size", self.size),
            stride=parse_size("--stride", self.stride) if self.stride else None,
            padding=parse_padding("--padding", self.padding),
            average=self.average,
        )
        self.show(found, describe_pool(found, steps=self.steps))


@dataclass(frozen=True, kw_only=True)
class FlattenCommand(LayerOptions):
    """Print an image as a vector: i = (r*W + c)*C + k."""

    def run(self) -> None:
        """Print the vector, with the index of each number."""
        from jcnn.trace import describe_flatten, flatten

        inputs = self.inputs()
        found = flatten(inputs)
        self.show(found, describe_flatten(inputs, found))


@dataclass(frozen=True, kw_only=True)
class DenseCommand(LayerOptions):
    """Print a dense layer: each unit's products and sum, or its number of parameters."""

    weights: OptionalGrid = None
    """Weights: a row for each input, a column for each unit."""
    bias: OptionalGrid = None
    """Bias: a number for each unit."""
    count: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(metavar="INPUTS UNITS", help_behavior_hint="(default: none)"),
    ] = None
    """Print only the number of parameters of a layer of this size."""
    no_bias: bool = False
    """With --count: a layer without bias."""

    def run(self) -> None:
        """Print the units, or the count."""
        from jcnn.trace import count_dense, dense, describe_dense, describe_dense_count

        if self.count is not None:
            if self.input or self.weights or self.bias:
                raise ValueError(
                    "--count: got --input, --weights or --bias too; accepted: --count alone"
                )
            counted = count_dense(*self.count, bias=not self.no_bias)
            self.show(counted, describe_dense_count(counted))
            return
        if self.no_bias:
            raise ValueError("--no-bias: got no --count; accepted: with --count alone")
        found = dense(
            self.inputs(),
            self.channels("weights", () if self.weights is None else (self.weights,)),
            None if self.bias is None else self.channels("bias", (self.bias,)),
        )
        self.show(found, describe_dense(found))


@dataclass(frozen=True, kw_only=True)
class SoftmaxCommand(LayerOptions):
    """Print a softmax: the subtracted maximum, the exponentials, their sum, the probabilities."""

    def run(self) -> None:
        """Print the steps."""
        from jcnn.trace import describe_softmax, softmax

        found = softmax(self.inputs())
        self.show(found, describe_softmax(found))


@dataclass(frozen=True, kw_only=True)
class ActivationCommand(LayerOptions):
    """Print an activation function of every number."""

    function: tyro.conf.Suppress[str]
    """Name of the function in jcnn.ops; each has a command."""
    steps: bool = False
    """Print each number in the place of x."""

    def run(self) -> None:
        """Print the function."""
        from jcnn.trace import activate, describe_activation

        found = activate(self.inputs(), self.function)
        self.show(found, describe_activation(found, steps=self.steps))


@dataclass(frozen=True, kw_only=True)
class DropoutCommand(LayerOptions):
    """Print dropout in training: the mask that jcnn draws for a seed, and the scale."""

    rate: Annotated[str, tyro.conf.arg(metavar="NUMBER")] = "0.5"
    """Share of the numbers to drop, from 0 to below 1; the others are divided by 1 - rate."""
    seed: int = 0
    """Seed of the mask: that of jcnn.ops.dropout with jax.random.key(seed)."""
    steps: bool = False
    """Print each number: its product with the mask and the scale."""

    def run(self) -> None:
        """Print the dropout."""
        from jcnn.trace import describe_dropout, dropout

        found = dropout(self.inputs(), parse_exact_number("--rate", self.rate), self.seed)
        self.show(found, describe_dropout(found, steps=self.steps))


def _function(name: str) -> Any:
    """The command of one activation function."""
    return tyro.conf.subcommand(
        name, default=ActivationCommand(function=name), description=f"Print {name} of every number."
    )


_Layer = (
    Annotated[ConvCommand, tyro.conf.subcommand("conv")]
    | Annotated[PoolCommand, tyro.conf.subcommand("pool")]
    | Annotated[FlattenCommand, tyro.conf.subcommand("flatten")]
    | Annotated[DenseCommand, tyro.conf.subcommand("dense")]
    | Annotated[SoftmaxCommand, tyro.conf.subcommand("softmax")]
    | Annotated[Im2ColCommand, tyro.conf.subcommand("im2col")]
    | Annotated[DropoutCommand, tyro.conf.subcommand("dropout")]
    | Annotated[ActivationCommand, _function("relu")]
    | Annotated[ActivationCommand, _function("relu6")]
    | Annotated[ActivationCommand, _function("leaky_relu")]
    | Annotated[ActivationCommand, _function("elu")]
    | Annotated[ActivationCommand, _function("selu")]
    | Annotated[ActivationCommand, _function("sigmoid")]
    | Annotated[ActivationCommand, _function("tanh")]
    | Annotated[ActivationCommand, _function("softplus")]
    | Annotated[ActivationCommand, _function("gelu")]
    | Annotated[ActivationCommand, _function("silu")]
    | Annotated[ActivationCommand, _function("mish")]
    | Annotated[ActivationCommand, _function("hard_sigmoid")]
    | Annotated[ActivationCommand, _function("hard_swish")]
)


@dataclass(frozen=True)
class TraceCommand:
    """Print the arithmetic of one layer, and check numbers worked out by hand."""

    layer: Annotated[_Layer, tyro.conf.arg(name="")]

    def run(self) -> None:
        """Print the layer's arithmetic."""
        self.layer.run()
