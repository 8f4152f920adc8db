"""`jcnn data pack`: write the pictures of a source into tar shards."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class DataPackCommand:
    """Write pictures into tar shards in WebDataset's layout, which tar:'OUT/*.tar' reads.

    Files are copied as they are. The folder holds NAME.jpg and NAME.cls for each picture in shards
    such as train-00000.tar, an index beside each shard, and classes.txt.
    """

    source: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SOURCE")]
    """folder:DIR, parquet:GLOB or tar:GLOB."""
    out: Annotated[Path, tyro.conf.arg(metavar="OUT")]
    """Folder to make; it must not exist."""
    shard_size: Annotated[int, tyro.conf.arg(metavar="MIB")] = 1024
    """The most MiB of a shard."""

    def run(self) -> None:
        """Pack the pictures and print what was written."""
        if self.shard_size < 1:
            raise ValueError(f"--shard-size: got {self.shard_size}; accepted: an int >= 1, in MiB")
        from jcnn.cli.progress import Display
        from jcnn.data.pack import pack

        with Display() as display:
            packed = pack(
                self.source, self.out, shard_bytes=self.shard_size * 2**20, notify=display
            )
        count = f"{packed.pictures} pictures of {packed.classes} classes"
        print(
            f"{count} in {len(packed.shards)} shards "
            f"({packed.size / 2**20:,.1f} MiB); read them with --data 'tar:{self.out}/*.tar'"
        )
