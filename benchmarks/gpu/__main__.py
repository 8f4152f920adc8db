"""Run the GPU benchmarks within a time budget; results are written after every row.

    python -m benchmarks.gpu --budget 590 --data-dir DIR
    python -m benchmarks.gpu --parts rate step
    python -m benchmarks.gpu --small --out /tmp/small    # every part, tiny, on a CPU

DIR contains Fashion-MNIST's four IDX files; without it, trainings use random images. Each part is
a separate process, so that it frees its memory and its failure does not stop the others. It is
stopped at its time limit (`benchmarks/gpu/parts.py`) or at the end of the budget, and keeps the
rows that it has written. The key figures are printed at the end.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.limits import run_parts, summary
from benchmarks.gpu.parts import PARTS


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the selected parts in the given order.

    Raises:
        SystemExit: a part failed, or one of its results was wrong.
    """
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0]
    )
    usual = [name for name, part in PARTS.items() if part.default]
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=usual)
    parser.add_argument("--budget", type=float, help="seconds for all parts; default: no limit")
    parser.add_argument("--data-dir", type=Path, help="folder of Fashion-MNIST's IDX files")
    parser.add_argument("--small", action="store_true", help="run tiny sizes, as a test on a CPU")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu"))
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/gpu-cache"),
        help="folder of compiled programs, which make a second run faster",
    )
    chosen = parser.parse_args(arguments)
    # The processes that share the device's memory may not preallocate it.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    words = ["--out", str(chosen.out), "--cache", str(chosen.cache)]
    words += ["--data-dir", str(chosen.data_dir)] if chosen.data_dir else []
    words += ["--small"] if chosen.small else []

    def command(part: str, seconds: float | None) -> list[str]:
        limit = [] if seconds is None else ["--seconds", str(seconds)]
        return [sys.executable, "-m", "benchmarks.gpu.part", part, *words, *limit]

    # An end from outside ends the part, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen.out.mkdir(parents=True, exist_ok=True)
    parts = {name: PARTS[name] for name in chosen.parts}
    failed = run_parts(parts, command, chosen.out, budget=chosen.budget)
    print(f"\n{summary(list(parts), chosen.out)}", flush=True)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
