"""Putting a report into its run's folder, whole or not at all."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

from jcnn.report.figure import Picture
from jcnn.system.files import write_bytes, write_text


def put_report(run: Path, html: str, pictures: Iterable[Picture], data: str | None = None) -> Path:
    """Write RUN/report/index.html and the pictures beside it, in place of an older report.

    A report on other data than the run's goes to a folder of its own, such as
    RUN/report-digits-1c2d3e4f, so that the run's stays.

    The new report is made in a temporary folder first; whatever fails, the run and the older
    report stay as they were.

    Args:
        run: the run's folder.
        html: of index.html.
        pictures: to write as PNG.
        data: what the report is on, where that is other data than the run's.

    Returns:
        The path of index.html.

    Raises:
        OSError: a file cannot be written; it is named.
    """
    target = run / _name(data)
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


def _name(data: str | None) -> str:
    if data is None:
        return "report"
    words = "-".join(re.findall(r"[A-Za-z0-9_]+", data)[-2:])[-40:]
    return f"report-{words}-{crc32(data.encode(errors='surrogatepass')):08x}"
