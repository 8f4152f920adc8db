"""One view of the explorer in a headless browser, without the page around it."""

import base64
import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

from tests.explore.scripts import PAGE, joined

Array = npt.NDArray[np.float64]
Layer = dict[str, Any]

_VIEWS = {
    "conv": ("im2col_view.js", "showIm2col"),
    "max_pool": ("pool_view.js", "showPool"),
    "average_pool": ("pool_view.js", "showPool"),
    "activation": ("activation_view.js", "showActivation"),
    "flatten": ("flatten_view.js", "showFlatten"),
    "dense": ("dense_view.js", "showDense"),
    "dropout": ("dropout_view.js", "showDropout"),
    "batch_norm": ("norm_view.js", "showNorm"),
    "softmax": ("softmax_view.js", "showSoftmax"),
    **dict.fromkeys(("add", "multiply", "divide", "concatenate"), ("join_view.js", "showJoin")),
    **dict.fromkeys(("zero_pad", "crop", "upsample"), ("rearranging_view.js", "showRearranging")),
    **dict.fromkeys(("layer_norm", "group_norm"), ("example_norm_view.js", "showExampleNorm")),
    "conv_transpose": ("transposed_view.js", "showTransposed"),
    **dict.fromkeys(("spatial_dropout", "stochastic_depth"), ("dropout_view.js", "showDropout")),
}
_IMPORTS = "".join(f'import {{ {f} }} from "./{m}";\n' for m, f in sorted(set(_VIEWS.values())))
_START = (
    _IMPORTS
    + """
import { runFrom, runLayer } from "./forward.js";
import { patchMatrix } from "./im2col_view.js";
import { dropoutMask } from "./dropout_view.js";
import { change, listen, state } from "./state.js";
import { graphWords } from "./graph_words.js";
import { viewWords } from "./view_words.js";
const given = JSON.parse(document.getElementById("given").textContent);
for (const layer of given.network.layers) {
  for (const [name, [numbers, shape]] of Object.entries(layer.arrays ?? {})) {
    layer.arrays[name] = { data: Float32Array.from(numbers), shape };
  }
}
Object.assign(state, given, { outputs: [Float64Array.from(given.x)] });
runFrom(state.network.layers, state.outputs, 0);
const SHOW = { """
    + ", ".join(f"{kind}: {f}" for kind, (_, f) in _VIEWS.items())
    + """ };
const panel = document.querySelector("section");
listen(() => SHOW[state.network.layers[state.selected.layer].kind](panel, state));
window.explorer = { state, change, runLayer, dropoutMask, patchMatrix, viewWords, graphWords };
change({});
"""
)
_SCRIPT = joined(_START)


def view_html(layers: list[Layer], x: Array, **state: Any) -> str:
    """A page with only the view of `state["selected"]`, under the policy of the explorer."""
    given = {
        "network": {
            "classes": state.pop("classes", []),
            "input": {"shape": list(layers[0]["in"])},
            "layers": [
                {"inputs": [i]}  # a chain, unless said otherwise
                | layer
                | {
                    "arrays": {
                        name: [np.asarray(array, np.float32).ravel().tolist(), list(array.shape)]
                        for name, array in layer.get("arrays", {}).items()
                    }
                }
                for i, layer in enumerate(layers)
            ],
        },
        "x": x.ravel().tolist(),
        "selected": {"layer": 0, "unit": 0},
        **state,
    }
    data = json.dumps(given).replace("</", "<\\/")
    sheets = [PAGE / "style.css", PAGE / "views.css"]
    style = "".join(sheet.read_text(encoding="utf-8") for sheet in sheets if sheet.exists())
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"script-src 'unsafe-inline'; style-src 'sha256-{digest}'\">"
        f"<style>{style}</style></head><body><section></section>"
        f'<script id="given" type="application/json">{data}</script>'
        f'<script type="module">{_SCRIPT}</script></body></html>'
    )


class Viewed:
    """An open view, with methods to read and change it."""

    def __init__(self, page: Page, layers: list[Layer], x: Array, **state: Any) -> None:
        self.complaints: list[str] = []
        self.page = page
        self.page.on("console", self._complain)
        self.page.on("pageerror", self._complain)
        self.page.goto("about:blank")  # what is set next has no policy of the page before
        self.page.set_content(view_html(layers, x, **state))
        self.page.wait_for_function("window.explorer !== undefined", timeout=20_000)

    def numbers(self, where: str = "section") -> list[float]:
        """The full numbers shown in a part of the view, in order."""
        script = "(nodes) => nodes.map((node) => node.dataset.value)"
        texts = self.page.eval_on_selector_all(f"{where} [data-value]", script)
        return [float(text) for text in texts]

    def texts(self, where: str) -> list[str]:
        """The text of each matching element."""
        script = "(nodes) => nodes.map((node) => node.innerText)"
        return [str(text) for text in self.page.eval_on_selector_all(where, script)]

    def select(self, unit: int, layer: int = 0) -> None:
        """Choose a unit, as a click in the overview does."""
        self.page.evaluate(f"explorer.change({{ selected: {{ layer: {layer}, unit: {unit} }} }})")

    def change(self, **patch: Any) -> None:
        """Change the page's state."""
        self.page.evaluate("(patch) => explorer.change(patch)", patch)

    def state(self, name: str) -> Any:
        """One entry of the page's state."""
        return self.page.evaluate(f"explorer.state.{name}")

    def finish(self) -> None:
        """Fail if the browser reported anything."""
        self.page.remove_listener("console", self._complain)
        self.page.remove_listener("pageerror", self._complain)
        assert self.complaints == []

    def _complain(self, what: Any) -> None:
        self.complaints.append(str(getattr(what, "text", what)))
