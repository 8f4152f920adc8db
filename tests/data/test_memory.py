"""The memory budget: half of the least of machine, container and device memory."""

from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from jcnn.data import memory
from jcnn.data.memory import memory_budget


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8,000 KiB free, no container, and a device without memory statistics."""
    monkeypatch.delenv("JCNN_MEMORY_BYTES", raising=False)
    (tmp_path / "meminfo").write_text(
        "MemTotal:       99000 kB\nMemFree:  10 kB\nMemAvailable:   8000 kB\n", encoding="ascii"
    )
    monkeypatch.setattr(memory, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path / "memory.max")
    set_device(monkeypatch, None)
    return tmp_path


def set_device(monkeypatch: pytest.MonkeyPatch, statistics: dict[str, int] | None) -> None:
    device = SimpleNamespace(memory_stats=lambda: statistics)
    monkeypatch.setattr(jax, "local_devices", lambda: [device])


@pytest.mark.usefixtures("machine")
def test_half_of_what_is_free() -> None:
    assert memory_budget() == 4000 * 1024


@pytest.mark.parametrize(("limit", "budget"), [("max\n", 4000 * 1024), ("6001\n", 3000)])
def test_half_of_the_container(machine: Path, limit: str, budget: int) -> None:
    (machine / "memory.max").write_text(limit, encoding="ascii")
    assert memory_budget() == budget


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("statistics", "budget"),
    [({"bytes_limit": 5000}, 2500), ({"bytes_limit": 10**12}, 4000 * 1024), ({}, 4000 * 1024)],
)
def test_half_of_the_device(
    monkeypatch: pytest.MonkeyPatch, statistics: dict[str, int], budget: int
) -> None:
    set_device(monkeypatch, statistics)
    assert memory_budget() == budget


def test_a_machine_without_linuxs_files_counts_all_its_memory(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert 2**26 < memory_budget() < 2**50


def test_this_machine_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JCNN_MEMORY_BYTES", raising=False)
    assert 2**20 < memory_budget() < 2**50


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("chosen", ["0", "123456789012"])
def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    monkeypatch.setenv("JCNN_MEMORY_BYTES", chosen)
    assert memory_budget() == int(chosen)


@pytest.mark.parametrize("chosen", ["", "-1", "1.5", "4G", "²"])
def test_a_wrong_variable_is_refused(monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    monkeypatch.setenv("JCNN_MEMORY_BYTES", chosen)
    with pytest.raises(ValueError, match=r"^JCNN_MEMORY_BYTES: got .*; accepted: a whole number"):
        memory_budget()
