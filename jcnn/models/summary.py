"""Summary of a model: shape, parameters, multiply-adds and memory of each layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Call,
    Conv2DTranspose,
    Layer,
    Sequential,
    UpSampling2D,
    as_model,
    eval_mode,
    recorded_calls,
)
from jcnn.models.zoo import ZOO, trace
from jcnn.system.html_table import html_table


@dataclass(frozen=True)
class LayerRow:
    """One layer of a summary, for one example.

    Attributes:
        name: path in the model.
        type: class of the layer.
        output_shape: without the batch axis.
        params: number of its parameters.
        multiply_adds: products of an input and a weight.
        activation_bytes: memory of its output in the output's dtype.
        receptive_field: rows and columns of the input on which one unit depends; None after the
            feature maps, if the model is not a `Sequential`, and from a transposed convolution
            or an upsampling on, whose units have different receptive fields.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    params: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: tuple[int, int] | None


@dataclass(frozen=True)
class Summary:
    """A model's layers and their totals, for one example of `input_shape`."""

    input_shape: tuple[int, ...]
    layers: tuple[LayerRow, ...]
    params: int
    multiply_adds: int
    activation_bytes: int

    def _repr_html_(self) -> str:
        """A table with a row for each layer, which a notebook shows."""
        header = ("layer", "type", "output", "parameters", "multiply-adds", "bytes")
        rows = [
            (
                row.name,
                row.type,
                _by(row.output_shape),
                f"{row.params:,}",
                f"{row.multiply_adds:,}",
                f"{row.activation_bytes:,}",
                "-" if row.receptive_field is None else _by(row.receptive_field),
            )
            for row in self.layers
        ]
        totals = (f"{n:,}" for n in (self.params, self.multiply_adds, self.activation_bytes))
        return html_table(
            (*header, "receptive field"),
            [("input", "", _by(self.input_shape), "", "", "", ""), *rows],
            ("total", "", "", *totals, ""),
        )


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def summary(model: nnx.Module | Sequence[Layer], input_shape: Sequence[int]) -> Summary:
    """Summarise a model for images of `input_shape = (H, W, C)`; nothing is computed.

    Args:
        model: a model of the zoo, any `nnx.Module`, or a list of layers.
        input_shape: shape of one example.

    Returns:
        A row for each innermost layer, in the order of the calls, and the totals. The total
        `params` includes parameters that are in no row.

    Raises:
        ValueError: the model cannot take such an input; the message names the layer.
    """
    module = eval_mode(as_model(model))
    example = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    with recorded_calls(module) as calls:
        jax.eval_shape(module, example)
    names = [call.name for call in calls]
    leaves = [c for c in calls if not any(name.startswith(f"{c.name}/") for name in names)]
    fields = _receptive_fields(leaves) if isinstance(module, Sequential) else [None] * len(leaves)
    seen: set[int] = set()
    rows = []
    for call, field in zip(leaves, fields, strict=True):
        rows.append(
            LayerRow(
                name=call.name,
                type=type(call.module).__name__,
                output_shape=tuple(call.output.shape[1:]),
                params=0 if id(call.module) in seen else count_params(call.module),
                multiply_adds=_multiply_adds(call),
                activation_bytes=call.output.size * call.output.dtype.itemsize,
                receptive_field=field,
            )
        )
        seen.add(id(call.module))
    return Summary(
        input_shape=tuple(input_shape),
        layers=tuple(rows),
        params=count_params(module),
        multiply_adds=sum(row.multiply_adds for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
    )


def zoo_summary(
    name: str, input_shape: tuple[int, int, int] | None = None, classes: int | None = None
) -> Summary:
    """Summarise a model of the zoo without initialising its parameters.

    Args:
        name, input_shape, classes: as for `build`.

    Raises:
        ValueError: the name is unknown, or the images are too small for the model.
    """
    found: list[Summary] = []

    def build_and_summarise() -> None:
        model = trace(name, input_shape, classes)
        found.append(summary(model, input_shape or ZOO[name].input_shape))

    jax.eval_shape(build_and_summarise)
    return found[0]


def count_params(model: nnx.Module) -> int:
    """Number of parameters of a model (its `nnx.Param` variables)."""
    return sum(int(leaf.size) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def _multiply_adds(call: Call) -> int:
    own = getattr(call.module, "multiply_adds", None)
    if own is not None:
        return int(own(call.input.shape, call.output.shape))
    kernel = getattr(call.module, "kernel", None)
    return 0 if kernel is None else ops.multiply_adds(call.output.shape, kernel.shape)


def _receptive_fields(calls: Sequence[Call]) -> list[tuple[int, int] | None]:
    fields: list[tuple[int, int] | None] = []
    windows: list[ops.Window] = []
    upsampled = False
    for call in calls:
        upsampled = upsampled or isinstance(call.module, Conv2DTranspose | UpSampling2D)
        window = getattr(call.module, "window", None)
        if window is not None:
            windows.append(window(call.input.shape[1:3]))
        has_field = len(call.output.shape) == 4 and not upsampled
        fields.append(ops.receptive_field(windows).size if has_field else None)
    return fields
