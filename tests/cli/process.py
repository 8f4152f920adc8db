"""Run `jcnn` as a separate process and collect its output."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """Exit code, and what was written to stdout and stderr."""

    code: int
    out: str
    err: str


def environment(cache: Path) -> dict[str, str]:
    """The variables of this process, with other cache folders and a wide terminal.

    A crash writes the Python stack to stderr.
    """
    own = {"XDG_CACHE_HOME": str(cache), "TFDS_DATA_DIR": str(cache / "tfds"), "COLUMNS": "120"}
    return os.environ | own | {"PYTHONFAULTHANDLER": "1"}


def start(cache: Path, *words: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start `jcnn WORDS`; it handles Ctrl-C even if this process ignores it."""
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from jcnn.cli import main\n"
        "sys.exit(main())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=environment(cache),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str]) -> Result:
    """Wait for a process and collect what it wrote; it is killed after a timeout."""
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Result(process.returncode, out, err)


def ways_to_call() -> tuple[str, ...]:
    """The commands that jcnn may print for itself: its name, its path, or its module."""
    script = Path(sys.executable).with_name("jcnn")
    relative = Path(os.path.relpath(script))
    return "jcnn", shlex.quote(str(script)), shlex.quote(str(relative)), "python -m jcnn"
