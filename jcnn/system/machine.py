"""Describes the hardware of a training run, so that timings can be compared."""

import os
import platform
from pathlib import Path

import jax


def describe_machine() -> dict[str, str]:
    """Operating system, processor, cores, memory and JAX devices, each as one line of text."""
    devices = jax.devices()
    kinds = sorted({device.device_kind for device in devices})
    return {
        "system": platform.platform(terse=True),
        "processor": _processor(),
        "cores": str(_cores()),
        "memory": _memory(),
        "device": f"{len(devices)} x {', '.join(kinds)} ({jax.default_backend()})",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _cores() -> int:
    """The cores that this process may use; in a container, fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return "unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1024**3:.1f} GiB"
