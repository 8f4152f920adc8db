"""How long does it take to start?

Times imports, `jcnn --help`, and a first training step without and with the cache of compiled
programs, each from the start to the end of a separate process, in alternation.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jcnn.bench.record import Row, relative_error

QUESTION = "How long does it take to start?"
BASELINE = ""
# Runs the first step of a model with the cache in a given folder; prints its loss.
_FIRST_STEP = """
import sys
from pathlib import Path
import numpy as np
from jcnn.compile import use_cache
from jcnn.data import Dataset
from jcnn.models import build
from jcnn.train import TrainConfig, fit
folder, model, size = sys.argv[1:]
use_cache(Path(folder))
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (int(size), 28, 28, 1)).astype(np.uint8)
labels = rng.integers(0, 10, int(size)).astype(np.int32)
data = Dataset(images, labels, tuple("0123456789"))
config = TrainConfig(epochs=1, batch_size=int(size))
print(fit(build(model), data, config, verbose=0)["loss"][0])
"""
COLD, CACHED = "first step, nothing compiled", "first step, from the cache"


def rows(
    model: str = "conv4",
    *,
    batch: int = 64,
    rounds: int = 5,
    notify: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Measure each start `rounds` times, in alternation.

    Args:
        model: name of the zoo model whose step is measured; its input is 28x28x1.
        batch: images per step.
        rounds: number of processes of each.
        notify: called with a line for each measurement.

    Raises:
        RuntimeError: a process failed; the message contains the last line of its stderr.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folders = Path(temporary)
        step = ["-c", _FIRST_STEP]
        commands = {
            "python alone": ["-c", "pass"],
            "import jcnn": ["-c", "import jcnn"],
            "jcnn --help": ["-m", "jcnn", "--help"],
            "import jax": ["-c", "import jax"],
            "import jcnn.ops": ["-c", "import jcnn.ops"],
            COLD: [*step, "COLD", model, f"{batch}"],
            CACHED: [*step, f"{folders / 'kept'}", model, f"{batch}"],
        }
        run(commands[CACHED])  # fills the cache, and the page cache
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        losses: dict[str, list[float]] = {COLD: [], CACHED: []}
        for number in range(rounds):
            for name, arguments in commands.items():
                notify(f"{name}, {number + 1} of {rounds}")
                fresh = f"{folders / f'cold-{number}'}"
                start = time.perf_counter()
                out = run([fresh if word == "COLD" else word for word in arguments])
                seconds[name].append(time.perf_counter() - start)
                if name in losses:
                    losses[name].append(float(out))
    expected = losses[COLD][0]
    return [
        Row(
            name,
            "process",
            tuple(taken),
            error=max(relative_error(loss, expected) for loss in losses[name])
            if name in losses
            else None,
            # The same program on the same numbers gives the same bits.
            tolerance=0.0 if name in losses else None,
        )
        for name, taken in seconds.items()
    ]


def findings(rows: list[Row]) -> list[str]:
    """The time that the cache saves."""
    medians = {row.case: row.median for row in rows}
    cold, cached = medians.get(COLD), medians.get(CACHED)
    if not cold or not cached:
        return []
    return [f"the cache makes {cached:.1f} s of {cold:.1f} s to the end of the first step"]


def run(arguments: list[str]) -> str:
    """The stdout of a Python process with these arguments.

    Raises:
        RuntimeError: it failed; the message contains the last line of its stderr.
    """
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"a process that was timed failed: {last}")
    return done.stdout
