"""Putting a report into its run's folder, whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from jcnn.report.figure import Picture


def put_report(run: Path, html: str, pictures: Iterable[Picture]) -> Path:
    """Write RUN/report/index.html and the pictures beside it, in place of an older report.

    The new report is made in a folder of its own first; whatever fails, the run and the older
    report stay as they were.

    Returns:
        The path of index.html.
    """
    new = Path(tempfile.mkdtemp(dir=run, prefix=".report."))
    try:
        made = new / "new"
        made.mkdir()
        for picture in pictures:
            (made / f"{picture.name}.png").write_bytes(picture.png)
        (made / "index.html").write_text(html, encoding="utf-8")
        target, old = run / "report", new / "old"
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
