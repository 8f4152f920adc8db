"""The counts of programs compiled for an H100; the slow test needs JAX's CUDA wheels."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import compiled

ROOT = Path(__file__).parents[2]


class Program:
    """A compiled program, of which the text and the memory are read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.temp_size_in_bytes = 77

    def as_text(self) -> str:
        """HLO."""
        return self.text

    def memory_analysis(self) -> "Program":
        """With the bytes of temporary arrays."""
        return self


def test_calls_copies_and_fusions_are_counted() -> None:
    hlo = """
      %a = (bf16[8]) custom-call(%x), custom_call_target="__cudnn$convForward"
      %b = (bf16[8]) custom-call(%x), custom_call_target="__cudnn$convForward"
      %c = (bf16[8]) custom-call(%x), custom_call_target="__cublas$lt$matmul"
      %d = bf16[1000,200]{1,0} copy(%x)
      %e = f32[1000,200]{0,1} transpose(%x), dimensions={1,0}
      %small = f32[100,100]{0,1} transpose(%x), dimensions={1,0}
      %f = f32[8] fusion(%x), kind=kLoop, calls=%g
    """
    assert compiled.counts(Program(hlo)) == compiled.Counts(
        {"convForward": 2, "lt$matmul": 1}, 1000 * 200 * (2 + 4), 1, 77
    )


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("jax_plugins.xla_cuda13") is None
    if importlib.util.find_spec("jax_plugins")
    else True,
    reason="needs JAX's CUDA wheels: see `make gpu-hlo`",
)
def test_no_program_has_worse_calls_or_larger_copies_than_with_lax(tmp_path: Path) -> None:
    words = ["--models", "conv4", "resnet18", "mobilenet_v2", "--batch", "8"]
    command = [sys.executable, "-m", "benchmarks.gpu.compiled", *words]
    environment = os.environ | {"JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1"}
    out = tmp_path / "table.md"
    subprocess.run([*command, "--out", str(out)], cwd=ROOT, env=environment, check=True)
    rows = [line.split(" | ") for line in out.read_text().splitlines() if line.startswith("| ")]
    found = {tuple(row[:3]): row[3:] for row in rows}
    pairs = [key for key in found if key[2] == "jcnn"]
    assert len(pairs) == 12
    for name, dtype, _ in pairs:
        calls, _, moved, _ = found[name, dtype, "jcnn"]
        want, _, most, _ = found[name, dtype, "lax"]
        assert calls == want, name
        assert float(moved) <= float(most), name
