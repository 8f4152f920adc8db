"""`jcnn data`: the data sources."""

import json
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from jcnn.cli.tables import show


@dataclass(frozen=True)
class DataCommand:
    """The data sources that --data takes."""

    json: bool = False
    """Print [{"name", "description", "needs_data_dir"}]."""

    def run(self) -> None:
        """Print a row for each source."""
        from jcnn.data import SOURCES

        if self.json:
            rows = [
                {
                    "name": source.name,
                    "description": source.description,
                    "needs_data_dir": source.needs_data_dir,
                }
                for source in SOURCES
            ]
            print(json.dumps(rows))
            return
        table = Table("name", "what it is", "--data-dir", box=SIMPLE_HEAD)
        for source in SOURCES:
            table.add_row(
                source.name, source.description, "needed" if source.needs_data_dir else "-"
            )
        show(table)
