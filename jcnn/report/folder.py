"""Putting a report into its run's folder, whole or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from jcnn.files import write_bytes, write_text
from jcnn.report.figure import Picture


def put_report(run: Path, html: str, pictures: Iterable[Picture]) -> Path:
    """Write RUN/report/index.html and the pictures beside it, in place of an older report.

    The new report is made in a folder of its own first; whatever fails, the run and the older
    report stay as they were.

    Returns:
        The path of index.html.

    Raises:
        OSError: a file cannot be written; it is named.
    """
    target = run / "report"
    new = Path(tempfile.mkdtemp(dir=run, prefix=".report."))
    try:
        made = new / "new"
        made.mkdir()
        for picture in pictures:
            with _naming(target / f"{picture.name}.png"):
                write_bytes(made / f"{picture.name}.png", [picture.png])
        with _naming(target / "index.html"):
            write_text(made / "index.html", html)
        old = new / "old"
        if target.exists():
            target.replace(old)
        try:
            made.replace(target)
        except OSError:
            if old.exists():
                old.replace(target)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target / "index.html"


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Let an error name the file where it would have been, not where it is made."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error
