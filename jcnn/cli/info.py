"""`jcnn info`: print versions, devices, kernels, caches and memory."""

import json
from dataclasses import dataclass
from typing import Any

from jcnn.cli.messages import byte_size

_REPORT = (
    "in a bug report, include this output, the command with its full output, and the run's "
    "config.json if there is one (it names the folder of the data)"
)


@dataclass(frozen=True)
class InfoCommand:
    """Print versions, devices, native kernels, convolution tables, caches and free memory.

    In a bug report, include this output, the command with its full output, and the run's
    config.json if there is one (it names the folder of the data).
    """

    json: bool = False
    """Print {"versions", "machine", "devices", "convolution", "tables", "caches",
    "picture_memory_bytes", "free_disk_bytes", "environment"}."""

    def run(self) -> None:
        """Print a line for each fact."""
        from jcnn.info import installation

        found = installation()
        print(json.dumps(found, indent=2) if self.json else _text(found))


def _text(found: dict[str, Any]) -> str:
    lines = [f"{name} {number}" for name, number in found["versions"].items()]
    lines += [f"{name}: {value}" for name, value in found["machine"].items()]
    lines.append(f"devices: {', '.join(found['devices'])}")
    convolution = found["convolution"]
    why = convolution["reason"] or f"library {convolution['library']}"
    lines.append(f"convolution: {convolution['kernels']} ({why})")
    for table in found["tables"]:
        count = f"{table['convolutions']} convolutions"
        lines.append(f"table: {table['file']} ({count}, {table['measured_on']})")
    for cache in found["caches"]:
        size = f"{cache['files']} files, {byte_size(cache['bytes'])}"
        problem = f"; not used: {cache['problem']}" if cache["problem"] else ""
        lines.append(f"cache: {cache['path']} ({size}{problem})")
    lines.append(f"memory for images: {byte_size(found['picture_memory_bytes'])}")
    for place, free in found["free_disk_bytes"].items():
        lines.append(f"free disk, {place}: {byte_size(free)}")
    lines += [f"{name}={value}" for name, value in found["environment"].items()]
    return "\n".join([*lines, _REPORT])
