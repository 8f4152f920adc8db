"""`jcnn show`: what is in another library's file, before it is imported."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from jcnn.interop.imported import Listing


@dataclass(frozen=True)
class ShowCommand:
    """Print the layers of a model's file, their shapes and parameters, and what jcnn cannot read.

    Keras (.keras, .h5), ONNX, PyTorch and safetensors, known by their content. The numbers of the
    arrays are not read, and nothing in the file is executed.
    """

    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """The file."""

    def run(self) -> None:
        """Print the table, notes, and whether `jcnn import` can read the file."""
        from jcnn.interop.listing import list_file

        listing = list_file(self.file)
        _print_table(self.file.name, listing)
        for note in listing.notes:
            print(f"note: {note}")
        refused = sum(bool(row.refused) for row in listing.rows)
        if refused:
            print(f"{refused} of {len(listing.rows)} layers cannot be imported")


def _print_table(name: str, listing: "Listing") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from jcnn.cli.tables import print_table

    takes = "" if listing.input_shape is None else f", takes {_by(listing.input_shape)}"
    total = sum(row.parameters for row in listing.rows)
    print(f"{name}: {listing.format}{takes}")
    table = Table(show_footer=True, box=SIMPLE_HEAD, padding=0)
    table.add_column("name", footer="total", overflow="fold")
    table.add_column("kind", overflow="fold")
    table.add_column("output" if listing.input_shape else "shape", justify="right", no_wrap=True)
    table.add_column("parameters", footer=f"{total:,}", justify="right", no_wrap=True)
    told = any(row.refused for row in listing.rows)
    if told:
        table.add_column("refused, since it", overflow="fold")
    for row in listing.rows:
        cells = [row.name, row.kind, _by(row.shape), f"{row.parameters:,}"]
        table.add_row(*cells, *([row.refused] if told else []))
    print_table(table)


def _by(shape: tuple[int | None, ...] | None) -> str:
    return "?" if shape is None else "x".join("any" if n is None else str(n) for n in shape) or "1"
