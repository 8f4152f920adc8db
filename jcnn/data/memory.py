"""The memory budget for images; a data set that needs more is streamed."""

import os
from pathlib import Path

from jcnn.system.environment import whole_number

_VARIABLE = "JCNN_MEMORY_BYTES"
_MEMORY = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def memory_budget() -> int:
    """The bytes that a data set's images may take in memory.

    Half of the free memory of this machine, or of the device's memory if that is less. The
    environment variable JCNN_MEMORY_BYTES overrides it, for instance on a shared machine.

    Raises:
        ValueError: the variable is not a whole number >= 0.
    """
    chosen = whole_number(_VARIABLE, None)
    return min([_free_memory(), *_device_memory()]) // 2 if chosen is None else chosen


def _device_memory() -> list[int]:
    """The memory of this backend's first device; nothing on CPU."""
    import jax  # here, because listing the sources does not need it

    statistics = jax.local_devices()[0].memory_stats() or {}
    return [statistics["bytes_limit"]] if "bytes_limit" in statistics else []


def _free_memory() -> int:
    """The free memory of the machine, or the limit of this process's container if that is less."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _lines(_MEMORY):
        if line.startswith("MemAvailable:"):  # Linux's own estimate
            free = int(line.split()[1]) * 1024
    # The container's usage is not subtracted: it includes cached file pages, which are freed.
    limits = [int(line) for line in _lines(_CONTAINER) if line.isdigit()]
    return min([free, *limits])


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
