"""`jcnn summary`: print a table of a model's layers."""

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jcnn.cli.model_options import ModelOptions

if TYPE_CHECKING:
    from jcnn.models import Summary


@dataclass(frozen=True)
class SummaryCommand(ModelOptions):
    """Print a model's layers: shapes, parameters, multiply-adds, memory, receptive fields."""

    json: bool = False
    """Print {"layers": [{"name", "type", "output_shape", "params", ...}], "params", ...}."""

    def run(self) -> None:
        """Print the table, or the JSON object."""
        result = self.summarise()
        if self.json:
            print(json.dumps({"model": self.subject, **dataclasses.asdict(result)}))
        else:
            _print_table(self.subject, result)


def _print_table(model: str, summary: "Summary") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from jcnn.cli.tables import print_table

    table = Table(
        title=f"{model} for inputs of {_by(summary.input_shape)}",
        caption="<NAME: an input that is not the row above; field: receptive field of a unit",
        show_footer=True,
        box=SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("layer", footer="total", overflow="fold")
    table.add_column("output", justify="right", no_wrap=True)
    table.add_column("parameters", no_wrap=True, footer=f"{summary.params:,}", justify="right")
    table.add_column(
        "multiply-adds", no_wrap=True, footer=f"{summary.multiply_adds:,}", justify="right"
    )
    table.add_column(
        "memory", no_wrap=True, footer=_size(summary.activation_bytes), justify="right"
    )
    table.add_column("field", justify="right", no_wrap=True)
    before = "input"
    for layer in summary.layers:
        # Without a space, after which a long name would be on a line of its own.
        others = layer.inputs if layer.inputs not in ((), (before,)) else ()
        table.add_row(
            "\n".join([layer.name, *(f"<{name}" for name in others)]),
            _by(layer.output_shape),
            f"{layer.params:,}",
            f"{layer.multiply_adds:,}",
            _size(layer.activation_bytes),
            "-" if layer.receptive_field is None else _by(layer.receptive_field),
        )
        before = layer.name
    print_table(table)
    if summary.preprocessing:
        print(f"images: {summary.preprocessing}")


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _size(count: int) -> str:
    return f"{count / 1024:,.1f} KiB" if count < 1024**2 else f"{count / 1024**2:,.1f} MiB"
