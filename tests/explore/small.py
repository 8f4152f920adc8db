"""A small network with its oracle and its page, and functions to read the page."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

from tests.explore.built import Layer, built, conv, plain, pool
from tests.explore.scripts import joined_files
from tests.ops.conv import oracle

OpenPage = Callable[..., Page]
Array = npt.NDArray[np.float64]

SHAPE = (6, 7, 3)
CONV: dict[str, Any] = {"padding": ((1, 0), (2, 1)), "stride": (2, 1), "dilation": (1, 2)}
TIMES = "\N{MULTIPLICATION SIGN}"
SPLIT = "#layers=all"  # the address of a page where every layer has a column of its own
CLASSES = ["ant", "bee", "<b>cat</b>"]


def drawn(seed: int, *shape: int) -> Array:
    """Normal numbers that are exact in float32."""
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return values.astype(np.float64)


PICTURES = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), dtype=np.uint8)
KERNEL, BIAS = drawn(1, 3, 2, 3, 4), drawn(2, 4)


def layers() -> list[Layer]:
    first = conv("first", SHAPE, KERNEL, BIAS, **CONV)
    high, wide, _ = first["out"]
    pooled = pool("max_pool", (high, wide, 4), (1, 2))
    size = int(np.prod(pooled["out"]))
    arrays = {"kernel": drawn(3, size, 3), "bias": drawn(4, 3)}
    return [
        first,
        plain("relu", "activation", first["out"], function="relu"),
        pooled,
        plain("flatten", "flatten", pooled["out"], [size]),
        plain("dense", "dense", [size], [3], arrays=arrays),
        plain("softmax", "softmax", [3]),
    ]


def outputs(picture: int) -> list[Array]:
    """The input and every layer's output, by the oracle."""
    return outputs_of(PICTURES[picture])


def outputs_of(
    pixels: npt.NDArray[np.uint8],
    kernel: Array = KERNEL,
    bias: Array = BIAS,
    weights: Array | None = None,
) -> list[Array]:
    """The same for any picture and other parameters."""
    x = (pixels.astype(np.float32) / np.float32(255)).astype(np.float64)[None]
    first = oracle.conv2d(x, kernel, bias, **CONV)
    relu = np.maximum(first, 0)
    pooled = oracle.max_pool2d(relu, (1, 2))
    flat = pooled.reshape(1, -1)
    weights = drawn(3, flat.size, 3) if weights is None else weights
    logits = oracle.dense(flat, weights, drawn(4, 3))
    every = [x, first, relu, pooled, flat, logits, oracle.softmax(logits)]
    return [y[0] for y in every]


def html(**more: Any) -> str:
    return built(layers(), PICTURES, classes=CLASSES, **more)


def at(page: Page, layer: int, unit: int, *words: str) -> None:
    """Go to an address, and wait until what it shows is drawn."""
    hash_ = "&".join([f"#layer={layer}&unit={unit}", *words])
    page.evaluate(
        """(hash) => new Promise((done) => {
          if (location.hash === hash) return done();
          const drawn = () => requestAnimationFrame(() => requestAnimationFrame(() => done()));
          addEventListener("hashchange", drawn, { once: true });
          location.hash = hash;
        })""",
        hash_,
    )


def bytes_of(page: Page, canvas: str, channels: int) -> npt.NDArray[np.int64]:
    """The pixels of a canvas, `(H, W, channels)`; it must be opaque, and grey if channels is 1."""
    height, width, data = page.locator(canvas).evaluate(
        """(canvas) => {
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
          copy.drawImage(canvas, 0, 0);
          const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
          return [canvas.height, canvas.width, Array.from(data)];
        }"""
    )
    pixels = np.reshape(np.array(data, np.int64), (height, width, 4))
    assert (pixels[..., 3] == 255).all()
    if channels == 1:
        assert (pixels[..., :3] == pixels[..., :1]).all()
    return pixels[..., :channels]


def numbers(page: Page, selector: str) -> list[float]:
    values = page.locator(selector).evaluate_all("(all) => all.map((e) => e.dataset.value)")
    return [float(value) for value in values]


def word_tables(open_page: OpenPage, file: str, name: str) -> dict[str, dict[str, str]]:
    """The words of the page by language; both have the same keys and the same gaps `{name}`."""
    script = f"{joined_files(file)}; document.body.dataset.ready = 'true';"
    page = open_page(f"<body><script>{script}</script>")
    tables: dict[str, dict[str, str]] = page.evaluate(name)
    assert list(tables["en"]) == list(tables["ja"])
    for key in tables["en"]:
        gaps = [sorted(re.findall(r"\{\w+\}", tables[of][key])) for of in ("en", "ja")]
        assert gaps[0] == gaps[1], key
    return tables
