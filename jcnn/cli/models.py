"""`jcnn models`: list the models of the zoo."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelsCommand:
    """List the models of the zoo with their parameters and multiply-adds."""

    json: bool = False
    """Print [{"name", "params", "multiply_adds", "input_shape", "classes", "source", "layers"}]."""

    def run(self) -> None:
        """Print a row for each model."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        from jcnn.cli.tables import print_table
        from jcnn.models import ZOO

        rows = [
            {
                "name": name,
                "params": entry.params,
                "multiply_adds": entry.multiply_adds,
                "input_shape": entry.input_shape,
                "classes": entry.classes,
                "source": entry.source,
                "layers": entry.layers,
            }
            for name, entry in ZOO.items()
        ]
        if self.json:
            print(json.dumps(rows))
            return
        table = Table(box=SIMPLE_HEAD)
        for column in ("name", "parameters", "multiply-adds", "input", "classes", "layers"):
            number = column in ("parameters", "multiply-adds")
            table.add_column(column, justify="right" if number else "left")
        for name, entry in ZOO.items():
            table.add_row(
                name,
                f"{entry.params:,}",
                f"{entry.multiply_adds:,}",
                "x".join(map(str, entry.input_shape)),
                str(entry.classes),
                f"{entry.source}: {entry.layers}",
            )
        print_table(table)
