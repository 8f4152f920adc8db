"""`jcnn data`: list the data sources; draw images of one, pack one, or list what is cached."""

import json
from dataclasses import dataclass
from typing import Annotated

import tyro

from jcnn.cli.data_cache import DataCacheCommand
from jcnn.cli.data_pack import DataPackCommand
from jcnn.cli.data_show import DataShowCommand

_Action = (
    Annotated[DataShowCommand, tyro.conf.subcommand("show")]
    | Annotated[DataPackCommand, tyro.conf.subcommand("pack")]
    | Annotated[DataCacheCommand, tyro.conf.subcommand("cache")]
    | Annotated[None, tyro.conf.subcommand("list", description="Print a row for each source.")]
)


@dataclass(frozen=True)
class DataCommand:
    """List the data sources that --data accepts, or do something with one.

    show draws images, pack writes tar shards, cache lists and clears what is cached.
    """

    action: Annotated[_Action, tyro.conf.arg(name="")] = None
    json: bool = False
    """Print [{"name", "description", "takes_data_dir"}]."""

    def run(self) -> None:
        """Print a row for each source, or draw a sheet."""
        if self.action is not None:
            if self.json:
                raise ValueError(
                    "--json: got a command too; accepted: with the list of sources only"
                )
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
