"""`jcnn data`: list the data sources; `jcnn data show`: draw images of one."""

import json
from dataclasses import dataclass
from typing import Annotated

import tyro

from jcnn.cli.data_show import DataShowCommand

_Action = (
    Annotated[DataShowCommand, tyro.conf.subcommand("show")]
    | Annotated[None, tyro.conf.subcommand("list", description="Print a row for each source.")]
)


@dataclass(frozen=True)
class DataCommand:
    """List the data sources that --data accepts, or draw images of one (show)."""

    action: Annotated[_Action, tyro.conf.arg(name="")] = None
    json: bool = False
    """Print [{"name", "description", "takes_data_dir"}]."""

    def run(self) -> None:
        """Print a row for each source, or draw a sheet."""
        if self.action is not None:
            if self.json:
                raise ValueError("--json: got show too; accepted: with the list of sources only")
            self.action.run()
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        from jcnn.cli.tables import print_table
        from jcnn.data import SOURCES

        if self.json:
            rows = [
                {
                    "name": source.name,
                    "description": source.description,
                    "takes_data_dir": source.takes_data_dir,
                }
                for source in SOURCES
            ]
            print(json.dumps(rows))
            return
        table = Table("name", "what it is", "--data-dir", box=SIMPLE_HEAD)
        for source in SOURCES:
            folder = "if offline" if source.takes_data_dir else "-"
            table.add_row(source.name, source.description, folder)
        print_table(table)
