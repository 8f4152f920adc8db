"""`jcnn summary`: the layers of a model, with what each costs and sees."""

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from jcnn.models import Summary


@dataclass(frozen=True)
class SummaryCommand:
    """The layers of a model: shapes, parameters, work, memory and receptive field."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """One of: jcnn models."""
    input_shape: Annotated[
        tuple[int, int, int] | None,
        tyro.conf.arg(metavar="H W C", help_behavior_hint="(default: the model's lecture's)"),
    ] = None
    """Height, width and channels of a picture."""
    classes: Annotated[
        int | None,
        tyro.conf.arg(metavar="INT", help_behavior_hint="(default: the model's lecture's)"),
    ] = None
    """Number of classes."""
    json: bool = False
    """Print {"layers": [{"name", "type", "output_shape", "params", ...}], "params", ...}."""

    def run(self) -> None:
        """Print the table, or the object."""
        from jcnn.models import zoo_summary

        for size in self.input_shape or ():
            if size < 1:
                raise ValueError(f"--input-shape: got {self.input_shape}; accepted: ints >= 1")
        if self.classes is not None and self.classes < 1:
            raise ValueError(f"--classes: got {self.classes}; accepted: an int >= 1")
        result = zoo_summary(self.model, self.input_shape, self.classes)
        if self.json:
            print(json.dumps({"model": self.model, **dataclasses.asdict(result)}))
        else:
            _print_table(self.model, result)


def _print_table(model: str, summary: "Summary") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from jcnn.cli.tables import show

    table = Table(
        title=f"{model} for pictures of {_by(summary.input_shape)}",
        show_footer=True,
        box=SIMPLE_HEAD,
    )
    table.add_column("layer", footer="total", no_wrap=True)
    table.add_column("output", justify="right", no_wrap=True)
    table.add_column("parameters", no_wrap=True, footer=f"{summary.params:,}", justify="right")
    table.add_column(
        "multiply-adds", no_wrap=True, footer=f"{summary.multiply_adds:,}", justify="right"
    )
    table.add_column(
        "memory", no_wrap=True, footer=_size(summary.activation_bytes), justify="right"
    )
    table.add_column("sees", justify="right")
    for layer in summary.layers:
        table.add_row(
            layer.name,
            _by(layer.output_shape),
            f"{layer.params:,}",
            f"{layer.multiply_adds:,}",
            _size(layer.activation_bytes),
            "-" if layer.receptive_field is None else _by(layer.receptive_field),
        )
    show(table)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _size(count: int) -> str:
    return f"{count / 1024:,.1f} KiB" if count < 1024**2 else f"{count / 1024**2:,.1f} MiB"
