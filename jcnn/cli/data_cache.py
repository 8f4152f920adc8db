"""`jcnn data cache`: list or remove what is cached of data sets."""

import json
import time
from dataclasses import dataclass

from jcnn.cli.messages import byte_size


@dataclass(frozen=True)
class DataCacheCommand:
    """List the decoded data sets in the cache, with size and last use; or remove them (--clear).

    The decoded data sets take at most 20 GiB, or JCNN_CACHE_BYTES bytes; those that were used least
    recently are removed first. All can be made again from their sources.
    """

    clear: bool = False
    """Remove all that is derived from data: decoded data sets, features of frozen layers, indexes.
    Compiled programs stay."""
    json: bool = False
    """Print {"folder", "limit", "data", "other"}, two lists of {"name", "bytes"}; those of "data"
    also have "used", in seconds since 1970."""

    def run(self) -> None:
        """Print a row for each entry, or clear the cache."""
        from jcnn.data.cache_limit import cache_limit, clear, decoded_sets, other_entries
        from jcnn.system.caches import cache_folder

        limit = cache_limit()
        if self.clear:
            if self.json:
                raise ValueError("--json: got --clear too; accepted: one of them")
            print(f"{byte_size(clear())} removed from {cache_folder()}")
            return
        sets, others = decoded_sets(), other_entries()
        if self.json:
            found = {
                "folder": str(cache_folder()),
                "limit": limit,
                "data": [{"name": e.name, "bytes": e.size, "used": e.used} for e in sets],
                "other": [{"name": e.name, "bytes": e.size} for e in others],
            }
            print(json.dumps(found))
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        from jcnn.cli.tables import print_table

        table = Table("name", "size", "last used", box=SIMPLE_HEAD)
        for entry in sets:
            used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
            table.add_row(f"data/{entry.name}", byte_size(entry.size), used)
        for entry in others:
            table.add_row(entry.name, byte_size(entry.size), "-")
        total = sum(entry.size for entry in sets)
        if table.row_count:
            print_table(table)
        print(f"{cache_folder()}: {byte_size(total)} of {byte_size(limit)} for decoded data sets")
