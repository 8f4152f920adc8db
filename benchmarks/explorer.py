"""How soon does the explorer's page show a change?

    python -m benchmarks.explorer [--models conv2pool conv4 tiny_vgg] [--turns 20]

Runs in headless Chromium, on zoo models with random parameters. Times a change (another image, a
stroke of the pen, or a cell of a kernel in the first layer) until the end of the next frame, in
which every layer has been recomputed and drawn. "with a panel" also shows a convolution's
arithmetic. Every change must change the numbers on the page. Before the first change and after
restoring the last, every layer must agree with JAX.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from jcnn.bench.processes import machine
from jcnn.explore import page
from jcnn.models import ZOO, build

_SCRIPT = (Path(__file__).parent / "explorer.js").read_text(encoding="utf-8")
_AGREES = "document.querySelector('#badge').dataset.verdict === 'ok'"


def times(browser: Browser, html: str, act: str, *, panel: bool, turns: int) -> list[float]:
    """Milliseconds from each change to the end of its frame."""
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_content(html)
        tab.wait_for_selector("body[data-ready=true]")
        tab.wait_for_function(_AGREES)
        if panel:
            tab.locator('.column[data-layer="0"] .map').first.click()
        if act == "stroke":
            tab.locator('[data-tool="draw"]').click()
        found: list[float] = tab.evaluate(_SCRIPT, [turns, act])
        if act == "picture":
            tab.locator(".thumb").first.click()
        else:
            tab.locator('[data-tool="reset"]').click()
        tab.wait_for_function(_AGREES)
        return found


def main() -> None:
    """Print median and quartiles for every model and change."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["conv2pool", "conv4", "tiny_vgg"])
    most = 24  # strokes that fit next to one another on the pad
    parser.add_argument("--turns", type=int, default=20, choices=range(1, most + 1), metavar="N")
    options = parser.parse_args()
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("no browser; looked for chromium and google-chrome on the path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        print(machine("jax", "playwright"), f"chromium {browser.version}", sep=", ")
        for name in options.models:
            html = _page_of(name)
            print(name)
            for act in ("picture", "stroke", "kernel"):
                for panel in (False, True) if act != "kernel" else (True,):
                    taken = times(browser, html, act, panel=panel, turns=options.turns)
                    low, middle, high = np.percentile(taken, [25, 50, 75])
                    label = f"{act}, with a panel" if panel else act
                    print(
                        f"  {label:24} {middle:6.1f} ms  (quartiles {low:.1f} to {high:.1f}, "
                        f"worst {max(taken):.1f}, n={len(taken)})"
                    )
        browser.close()


def _page_of(name: str) -> str:
    entry: Any = ZOO[name]
    images = np.random.default_rng(0).integers(0, 256, (2, *entry.input_shape), dtype=np.uint8)
    classes = [str(i) for i in range(entry.classes)]
    return page(build(name, entry.input_shape, entry.classes), images, classes).html


if __name__ == "__main__":
    main()
