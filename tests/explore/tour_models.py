"""Small models for the tour, their pages, and what solves the task of each stop in the browser."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx
from PIL import Image
from playwright.sync_api import FilePayload, Page

from jcnn.compile import run_once
from jcnn.explore import page as explorer_page
from jcnn.explore._layer import Layer
from jcnn.explore._network import Network, network
from jcnn.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Sequential
from tests.explore.branches import MODELS as BRANCHES
from tests.explore.test_page import pictures

Array = npt.NDArray[np.float64]
CLASSES = ["ant", "bee", "cat"]
DONE = "#tour .tour-done:not([hidden])"


def like_conv4() -> Any:
    """Same padding, two pools, dropout; for pictures of 12x11x1."""
    rngs = nnx.Rngs(1)
    return Sequential(
        [
            Conv2D(1, 3, 3, padding="SAME", activation=nnx.relu, rngs=rngs),
            Conv2D(3, 4, 3, padding="SAME", activation=nnx.relu, rngs=rngs),
            MaxPooling2D(2),
            Dropout(0.5, rngs=rngs),
            Conv2D(4, 4, 3, padding="SAME", activation=nnx.relu, rngs=rngs),
            MaxPooling2D(2),
            Flatten(),
            Dense(24, 3, rngs=rngs),
        ]
    )


def tiny_rgb() -> Any:
    """Valid padding and no dropout; for pictures of 10x10x3."""
    rngs = nnx.Rngs(2)
    return Sequential(
        [
            Conv2D(3, 3, 3, padding="VALID", activation=nnx.relu, rngs=rngs),
            Conv2D(3, 4, 3, padding="VALID", activation=nnx.relu, rngs=rngs),
            MaxPooling2D(2),
            Flatten(),
            Dense(36, 3, rngs=rngs),
        ]
    )


def mlp() -> Any:
    """A dense network with dropout, for pictures of 6x5x1."""
    rngs = nnx.Rngs(3)
    return Sequential(
        [
            Flatten(),
            Dense(30, 8, activation=nnx.relu, rngs=rngs),
            Dropout(0.5, rngs=rngs),
            Dense(8, 3, rngs=rngs),
        ]
    )


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, int, int]]] = {
    "conv4": (like_conv4, (12, 11, 1)),
    "rgb": (tiny_rgb, (10, 10, 3)),
    "mlp": (mlp, (6, 5, 1)),
    "residual": BRANCHES["residual"],
}


@dataclass(frozen=True)
class Toured:
    """A model with its page and its numbers by JAX."""

    html: str
    network: Network
    images: npt.NDArray[np.uint8]

    def outputs(self, picture: int = 0) -> list[Array]:
        """The picture and every layer's output."""
        x = self.images[picture].astype(np.float64) / 255
        return [x, *(np.asarray(y, np.float64) for y in self.network.outputs(self.images[picture]))]

    def first(self, *kinds: str) -> int:
        """The index of the first layer of these kinds."""
        return next(i for i, layer in enumerate(self.network.layers) if layer.kind in kinds)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the page, in order."""
        return list(self.network.layers)

    @property
    def logits(self) -> int:
        """The index of the layer of the class scores."""
        return len(self.layers) - 2


def initialised(make: Callable[[], nnx.Module], images: npt.NDArray[np.uint8]) -> Any:
    """The model with noise on all parameters, and images of different classes."""
    model = nnx.merge(*run_once(lambda: nnx.split(make())))
    random = np.random.default_rng(4)

    def moved(array: jax.Array) -> jax.Array:
        return jnp.asarray(np.asarray(array) + random.normal(0, 0.1, array.shape), array.dtype)

    nnx.update(model, jax.tree.map(moved, nnx.state(model, nnx.Param)))
    model.eval()
    logits = model(jnp.asarray(images[:2] / 255, jnp.float32)).mean(0)
    *_, bias = (m.bias for _, m in nnx.iter_graph(model) if isinstance(m, Dense) and m.bias)
    bias[...] = bias[...] - logits
    return model


@cache
def toured(name: str) -> Toured:
    """Each model is made once in a process."""
    make, shape = MODELS[name]
    images = pictures(3, *shape)
    images[1] //= 5
    images[2] = 255 - images[2] // 3
    model = initialised(make, images)
    labels = [0, 1, 2] if name == "conv4" else None
    html = explorer_page(model, images, CLASSES, labels=labels).html
    return Toured(html, network(model, shape), images)


def show(page: Page, address: str) -> None:
    """Go to an address, and wait until what it shows is drawn."""
    page.evaluate(
        """(hash) => new Promise((done) => {
          if (location.hash === hash) return done();
          const drawn = () => requestAnimationFrame(() => setTimeout(done));
          addEventListener("hashchange", drawn, { once: true });
          location.hash = hash;
        })""",
        address,
    )


def shown_unit(page: Page) -> tuple[int, int]:
    """The selected layer and unit."""
    layer, unit = (page.locator("#tour").get_attribute("data-selected") or "").split("/")
    return int(layer), int(unit)


def fact(page: Page, name: str) -> float:
    """A number in the caption, hints included."""
    return float(
        page.locator(f'#tour [data-fact="{name}"]').first.get_attribute("data-value") or ""
    )


# --- what solves a task ---------------------------------------------------------------------------


def solve(page: Page, model: Toured, stop: str) -> None:
    """Do in the browser what the task of a stop asks for."""
    globals()[f"_{stop}"](page, model)


def _select(page: Page, layer: int, unit: int) -> None:
    show(page, f"#layer={layer}&unit={unit}")


def _type(page: Page, cell: str, number: float) -> None:
    page.locator(cell).first.evaluate("(e) => e.dispatchEvent(new MouseEvent('dblclick'))")
    page.keyboard.insert_text(f"{number:.6f}")
    page.keyboard.press("Enter")


def _numbers(page: Page, model: Toured) -> None:
    page.locator(".thumb").nth(1).click()


def _colours(page: Page, model: Toured) -> None:
    page.locator('[data-tool="draw"]').click()
    page.locator('[data-pen="colour"]').click()
    page.locator(".pad-frame").focus()
    page.keyboard.press("Space")
    page.locator('[data-tool="draw"]').click()


def _network(page: Page, model: Toured) -> None:
    page.locator(".column:last-of-type .bar.top").click()


def _in_channel(page: Page, model: Toured) -> tuple[int, list[int], Array]:
    """The layer shown, the units of the channel shown, and the layer's numbers."""
    layer, unit = shown_unit(page)
    y = model.outputs()[layer + 1]
    count = y.shape[-1] if y.ndim == 3 else 1
    return layer, list(range(unit % count, y.size, count)), y.ravel()


def _filter(page: Page, model: Toured) -> None:
    layer, units, y = _in_channel(page, model)
    _select(page, layer, max(units, key=lambda unit: y[unit]))


def _position(page: Page, model: Toured) -> None:
    layer, units, y = _in_channel(page, model)
    _select(page, layer, min(units, key=lambda unit: y[unit]))


def _bias(page: Page, model: Toured) -> None:
    _type(page, '#detail [data-part="bias"]', -fact(page, "sum"))


def _activation(page: Page, model: Toured) -> None:
    layer, _ = shown_unit(page)
    x = model.outputs()[model.layers[layer].inputs[0]].ravel()
    _select(page, layer, int(np.argmin(x)))


def _channels(page: Page, model: Toured) -> None:
    layer, unit = shown_unit(page)
    _select(page, layer, unit + 1 if unit % 2 == 0 else unit - 1)


def _field(page: Page, model: Toured) -> None:
    _select(page, model.first("conv"), 0)


def _padding(page: Page, model: Toured) -> None:
    _select(page, shown_unit(page)[0], 0)


def _stride(page: Page, model: Toured) -> None:
    for axis in (0, 1):
        page.locator(f'[name="stride_{axis}"]').fill("2")
        page.keyboard.press("Tab")


def _pool(page: Page, model: Toured) -> None:
    _filter(page, model)


def _join(page: Page, model: Toured) -> None:
    layer, _ = shown_unit(page)
    _select(page, max(model.layers[layer].inputs) - 1, 0)


def _flatten(page: Page, model: Toured) -> None:
    layer, _ = shown_unit(page)
    _, wide, channels = model.layers[layer].in_shape
    row, column, channel = (int(fact(page, f"to{axis}")) for axis in ("Row", "Column", "Channel"))
    _select(page, layer, (row * wide + column) * channels + channel)


def _dense(page: Page, model: Toured) -> None:
    _select(page, model.logits, int(np.argsort(model.outputs()[-2])[-2]))


def _softmax(page: Page, model: Toured) -> None:
    _select(page, model.logits + 1, int(np.argmin(model.outputs()[-1])))


def _classes(page: Page, model: Toured) -> None:
    for i in range(len(model.images)):
        page.locator(".thumb").nth(i).click()
        if page.locator(DONE).count():
            return


def _why(page: Page, model: Toured) -> None:
    best = page.evaluate("document.querySelector('#prediction b').textContent")
    page.locator('[data-key="target"]').select_option(
        label=next(name for name in CLASSES if name != best)
    )


def _dropout(page: Page, model: Toured) -> None:
    page.locator('[data-key="training"]').check()


def _weight(page: Page, model: Toured) -> None:
    _type(page, '#detail [title^="b("]', 1000)


def _draw(page: Page, model: Toured) -> None:
    for i, image in enumerate(model.images):
        file = io.BytesIO()
        Image.fromarray(np.squeeze(image)).save(file, "PNG")
        upload = FilePayload(name=f"{i}.png", mimeType="image/png", buffer=file.getvalue())
        page.locator('input[type="file"]').set_input_files([upload])
        page.locator(f'.thumb[title="{i}.png"]').wait_for()
        if page.locator(DONE).count():
            return


def _training(page: Page, model: Toured) -> None:
    _type(page, '#detail [title^="b("]', 50 + math.pi)
