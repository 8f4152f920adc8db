"""`jcnn models`: list the models of the zoo."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelsCommand:
    """List the models of the zoo with their number of parameters."""

    json: bool = False
    """Print [{"name", "params", "input_shape", "classes", "source", "layers"}]."""

    def run(self) -> None:
        """Print a row for each model."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        from jcnn.cli.tables import print_table
        from jcnn.models import ZOO, zoo_summary

        rows = [
            {
                "name": name,
                "params": zoo_summary(name).params,
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
        for column in ("name", "parameters", "input", "classes", "layers"):
            table.add_column(column, justify="right" if column == "parameters" else "left")
        for row, entry in zip(rows, ZOO.values(), strict=True):
            table.add_row(
                str(row["name"]),
                f"{row['params']:,}",
                "x".join(map(str, entry.input_shape)),
                str(entry.classes),
                f"{entry.source}: {entry.layers}",
            )
        print_table(table)
