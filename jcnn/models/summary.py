"""Summary of a model: shape, parameters, multiply-adds and memory of each layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import jax
from flax import nnx

from jcnn.data.preprocessing import preprocessing_of
from jcnn.graph import graph
from jcnn.layers import Layer, as_model, eval_mode
from jcnn.models.rows import LayerRow, count_params, rows_of_calls, rows_of_graph
from jcnn.models.zoo import ZOO, trace
from jcnn.system.html_table import html_table


@dataclass(frozen=True)
class Summary:
    """A model's layers and their totals, for one example of `input_shape`.

    `preprocessing` is a line on how the input is made of an image; "" if the model has none of its
    own.
    """

    input_shape: tuple[int, ...]
    layers: tuple[LayerRow, ...]
    params: int
    multiply_adds: int
    activation_bytes: int
    preprocessing: str = ""

    def _repr_html_(self) -> str:
        """A table with a row for each layer, which a notebook shows."""
        header = (
            "layer",
            "type",
            "output",
            "parameters",
            "multiply-adds",
            "bytes",
            "receptive field",
        )
        rows = [
            (
                row.name,
                row.type,
                _by(row.output_shape),
                f"{row.params:,}",
                f"{row.multiply_adds:,}",
                f"{row.activation_bytes:,}",
                "-" if row.receptive_field is None else _by(row.receptive_field),
                ", ".join(row.inputs),
            )
            for row in self.layers
        ]
        totals = (f"{n:,}" for n in (self.params, self.multiply_adds, self.activation_bytes))
        table = html_table(
            (*header, "inputs"),
            [("input", "", _by(self.input_shape), "", "", "", "", ""), *rows],
            ("total", "", "", *totals, "", ""),
        )
        images = f"<p>Images: {escape(self.preprocessing)}</p>" if self.preprocessing else ""
        return images + table


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def summary(model: nnx.Module | Sequence[Layer], input_shape: Sequence[int]) -> Summary:
    """Summarise a model for images of `input_shape = (H, W, C)`; nothing is computed.

    Args:
        model: a model of the zoo, any `nnx.Module`, or a list of layers.
        input_shape: shape of one example.

    Returns:
        A row for each innermost layer and for each function between layers, each after its inputs,
        and the totals. Where `jcnn.graph.graph` refuses the model, the innermost layers alone, in
        the order of their calls, without inputs. The total `params` includes parameters that are
        in no row.

    Raises:
        ValueError: the model cannot take such an input; the message names the layer.
    """
    module = as_model(model)
    try:
        rows = tuple(rows_of_graph(module, graph(module, input_shape)))
    except ValueError:
        # If it is the input that does not fit, this raises a ValueError that names the layer.
        rows = tuple(rows_of_calls(eval_mode(module), input_shape))
    own = preprocessing_of(module)
    return Summary(
        input_shape=tuple(input_shape),
        layers=rows,
        params=count_params(module),
        multiply_adds=sum(row.multiply_adds for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
        preprocessing="" if own is None else own.describe(),
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
