"""How much memory images may take; what needs more is streamed."""

import os
from pathlib import Path

_VARIABLE = "JCNN_MEMORY_BYTES"
_MEMORY = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def memory_budget() -> int:
    """The bytes that a data set's images may take in memory.

    Half of what is free on this machine, or half of the device's memory where that is less. The
    environment variable JCNN_MEMORY_BYTES overrides it, such as on a machine that is shared.

    Raises:
        ValueError: the variable is no whole number >= 0.
    """
    chosen = os.environ.get(_VARIABLE)
    if chosen is None:
        return min([_free_memory(), *_device_memory()]) // 2
    if not (chosen.isascii() and chosen.isdigit()):
        raise ValueError(f"{_VARIABLE}: got {chosen!r}; accepted: a whole number >= 0")
    return int(chosen)


def _device_memory() -> list[int]:
    """What this backend says of its first device; nothing on CPU."""
    import jax  # here: a list of the sources need not wait for it

    statistics = jax.local_devices()[0].memory_stats() or {}
    return [statistics["bytes_limit"]] if "bytes_limit" in statistics else []


def _free_memory() -> int:
    """What is free on the machine, or the whole of this process's container where that is less."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _lines(_MEMORY):
        if line.startswith("MemAvailable:"):  # Linux's own estimate
            free = int(line.split()[1]) * 1024
    # Not less what the container uses: that counts the files it has read, which make room.
    limits = [int(line) for line in _lines(_CONTAINER) if line.isdigit()]
    return min([free, *limits])


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
