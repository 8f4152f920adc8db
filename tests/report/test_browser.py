"""The page in a real browser: it is not blank, fits a phone, and the browser has no complaint."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.report.conftest import Reported
from tests.report.pages import pixels

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def browser(tmp_path: Path) -> list[str]:
    """Chromium's words for a page that is shown to nobody, with a profile of its own."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser; looked for {', '.join(_NAMES)} on the path")
    return [
        found,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]


def show(browser: list[str], page: Path, width: int, *words: str) -> str:
    """Open a page in a window of this width; what the browser prints, without complaint."""
    done = subprocess.run(
        [*browser, *words, f"--window-size={width},3000", page.as_uri()],
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    return done.stdout


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (400, False)])
def test_it_is_drawn(
    browser: list[str], reported: Reported, tmp_path: Path, width: int, dark: bool
) -> None:
    file = tmp_path / "page.png"
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    show(browser, reported.page.file, width, scheme, f"--screenshot={file}")
    image = pixels(file)
    assert image.shape == (3000, width, 3)
    paper, ink = ((20, 25, 31), (228, 232, 236)) if dark else ((253, 253, 251), (29, 38, 48))
    assert image[3, 3].tolist() == list(paper)
    heading = image[: 90 if width == 1200 else 120]
    assert (np.abs(heading.astype(int) - ink).max(axis=-1) < 30).sum() > 300
    # Something is drawn in every part of the window's height.
    for part in np.split(image, 10):
        assert (np.abs(part.astype(int) - paper).max(axis=-1) > 40).sum() > 500


@pytest.mark.parametrize("width", [1200, 400])
def test_its_text_is_there_and_nothing_sticks_out(
    browser: list[str], reported: Reported, tmp_path: Path, width: int
) -> None:
    """The page itself runs no script, so a copy of it is given one, to measure with."""
    file = tmp_path / "measured.html"
    script = (
        "<script>const root = document.documentElement;"
        "root.setAttribute('data-overflow', root.scrollWidth - root.clientWidth);"
        "const images = [...document.images];"
        "root.setAttribute('data-broken', images.filter(i => !i.naturalWidth).length);"
        "</script></body>"
    )
    html = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", reported.page.html)
    file.write_text(html.replace("</body>", script), encoding="utf-8")
    shown = show(browser, file, width, "--dump-dom")
    assert 'data-overflow="0"' in shown
    assert 'data-broken="0"' in shown
    for text in ("conv2pool on digits", "Worst mistakes", "&lt;script&gt;alert(1)&lt;/script&gt;"):
        assert text in shown


def test_a_complaint_would_be_seen(browser: list[str], reported: Reported, tmp_path: Path) -> None:
    """The page's own policy stops what should not be in it, and the browser says so."""
    file = tmp_path / "bad.html"
    bad = reported.page.html.replace("</body>", "<script>1</script></body>")
    file.write_text(bad, encoding="utf-8")
    with pytest.raises(AssertionError, match="CONSOLE"):
        show(browser, file, 400, "--dump-dom")
