"""Write a report into its run folder atomically."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

from jcnn.data.sources import without_path
from jcnn.report.figure import Picture
from jcnn.system.files import write_bytes, write_text


def put_report(run: Path, html: str, pictures: Iterable[Picture], data: str | None = None) -> Path:
    """Write RUN/report/index.html and the figures, in place of an older report.

    A report on other data goes to a separate folder, such as RUN/report-digits-1c2d3e4f, and does
    not replace RUN/report. The report is written to a temporary folder first, so on failure the
    run and the older report are unchanged.

    Args:
        run: the run folder.
        html: content of index.html.
        pictures: figures to write as PNG.
        data: name of the test data if it is not the run's own.

    Returns:
        The path of index.html.

    Raises:
        OSError: a file cannot be written; the error names it.
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
    """Make an error name the final path instead of the temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error


def _name(data: str | None) -> str:
    if data is None:
        return "report"
    # Only the last part of a path is shown; the checksum is of the whole.
    words = "-".join(re.findall(r"[A-Za-z0-9_]+", without_path(data))[-2:])[-40:]
    return f"report-{words}-{crc32(data.encode(errors='surrogatepass')):08x}"
