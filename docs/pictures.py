"""Make the explorer's pictures of the README and docs: `python docs/pictures.py RUN`.

RUN is a trained conv4, of `jcnn train --model conv4 --data mnist5k --epochs 5 --out RUN`. Needs
Chromium, as the tests do, and Pillow.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from jcnn.cli import main as jcnn

HERE = Path(__file__).parent
WIDE, HIGH = 1280, 800
SIZE = (960, 600)  # of the animation
FRAME = 70  # milliseconds


def shot(page: Page) -> Image.Image:
    """The window."""
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def gliding(page: Page) -> Iterator[Image.Image]:
    """The frames of a movement: the animations are set to times of equal distance."""
    for at in range(0, 351, FRAME):
        page.evaluate(
            """(at) => document.getAnimations().forEach((one) => {
              one.pause();
              one.currentTime = at;
            })""",
            at,
        )
        yield shot(page)
    page.evaluate("() => document.getAnimations().forEach((a) => a.finish())")
    page.wait_for_timeout(50)


def story(page: Page) -> Iterator[tuple[Image.Image, int]]:
    """Frames of the animation, each with its milliseconds: point, open, play, open another."""
    yield shot(page), 1200
    for column, row in ((2, 4), (2, 5)):
        page.locator(".column").nth(column).locator(".map").nth(row).hover()
        yield shot(page), 500
    page.locator(".column").nth(2).locator(".map").nth(5).click()
    for frame in gliding(page):
        yield frame, FRAME
    page.mouse.move(WIDE / 2, HIGH - 4)
    yield shot(page), 900
    page.locator('[data-part="reset"]').click()
    page.locator('[data-part="speed"]').evaluate(
        "(e) => { e.value = 1; e.dispatchEvent(new Event('input')); }"
    )
    page.locator('[data-part="play"]').click()
    for _ in range(24):
        yield shot(page), 100
        page.wait_for_timeout(180)
    page.locator(".column").last.locator(".bar").nth(2).click()
    for frame in gliding(page):
        yield frame, FRAME
    page.mouse.move(WIDE / 2, HIGH - 4)
    yield shot(page), 2500


def open_page(page: Page, file: Path, address: str = "") -> None:
    """Open a page, and wait until it stands still."""
    page.goto("about:blank")
    page.goto(file.as_uri() + address)
    page.wait_for_selector("body[data-ready=true]")
    page.wait_for_timeout(900)


def make(run: Path) -> None:
    """Write the pictures of a run beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        jcnn(["explore", str(run), "--out", str(file)])
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": WIDE, "height": HIGH})
            open_page(page, file)
            shot(page).quantize(200).save(HERE / "explorer_overview.png", optimize=True)
            frames, lasts = zip(*story(page), strict=True)
            open_page(page, file, "#layer=2&unit=20505&view=network")
            shot(page).quantize(200).save(HERE / "explorer_opened.png", optimize=True)
            browser.close()
    scaled = [frame.resize(SIZE, Image.Resampling.LANCZOS) for frame in frames]
    # One palette, so that only what changes is stored.
    both = Image.new("RGB", (SIZE[0], 2 * SIZE[1]))
    for k, frame in enumerate((scaled[2], scaled[-1])):
        both.paste(frame, (0, k * SIZE[1]))
    colours = both.quantize(128)
    small = [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in scaled]
    small[0].save(
        HERE / "explorer.gif", save_all=True, append_images=small[1:], duration=lasts, loop=0
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    make(parser.parse_args().run)
