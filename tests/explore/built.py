"""A page of the explorer from a hand-written network: layers as dicts with NumPy arrays.

It shares no code with the package's own way of making pages, so that the browser's side is tested
by itself. Numbers are packed as the page expects them: float32, byte planes, gzip, base64.
"""

import base64
import gzip
import hashlib
import json
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.explore.scripts import PAGE, joined_files

Layer = dict[str, Any]
Floats = npt.NDArray[np.float32]


def built(
    layers: list[Layer],
    pictures: npt.NDArray[np.uint8],
    *,
    classes: list[str],
    checks: list[list[npt.NDArray[Any] | None]] | None = None,
    left_out: list[str] | None = None,
    resize: str = "stretch",
    epochs: dict[str, Any] | None = None,
) -> str:
    """The HTML of the page.

    `checks[p][i]` is the JAX output for picture p after layer i. In `epochs`, "weights" are
    `[epoch][layer][name]` and "checks" `[epoch][picture][layer]`; the rest is as in the page.
    """
    packed: list[Floats] = []

    def pack(array: npt.NDArray[Any]) -> list[Any]:
        offset = sum(a.size for a in packed)
        packed.append(np.asarray(array, np.float32))
        return [offset, list(array.shape)]

    described = [
        {
            "inputs": [i],  # a chain, unless said otherwise
            **layer,
            "arrays": {k: pack(a) for k, a in layer.get("arrays", {}).items()},
        }
        for i, layer in enumerate(layers)
    ]
    network = {
        "format": 1,
        "title": "A network",
        "classes": classes,
        "input": {"shape": list(pictures.shape[1:]), "scale": 255, "resize": resize},
        "layers": described,
        "pictures": [
            {"name": f"number {i}", "label": None, "pixels": _base64(picture.tobytes())}
            for i, picture in enumerate(pictures)
        ],
        "checks": [
            {"picture": i, "outputs": [None if a is None else pack(a) for a in outputs]}
            for i, outputs in enumerate(checks or [])
        ],
        "left_out": left_out or [],
    }
    if epochs is not None:
        weights = [
            [{k: pack(a) for k, a in layer.items()} for layer in of] for of in epochs["weights"]
        ]
        outputs = [[{i: pack(a) for i, a in p.items()} for p in of] for of in epochs["checks"]]
        network["epochs"] = epochs | {"weights": weights, "checks": outputs}
    numbers = np.concatenate([a.ravel() for a in packed] or [np.zeros(0, np.float32)])
    planes = numbers.astype("<f4").view(np.uint8).reshape(-1, 4).T
    sheets = {sheet.name: sheet.read_text(encoding="utf-8") for sheet in sorted(PAGE.glob("*.css"))}
    trouble = sheets.pop("trouble.css")
    style = "\n".join(sheets.values())
    script = joined_files("main.js")
    return Template((PAGE / "index.html").read_text(encoding="utf-8")).substitute(
        title="A network",
        policy=f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(trouble)}' "
        f"'{_hash(style)}'; img-src data: blob:",
        trouble=(PAGE / "trouble.html").read_text(encoding="utf-8"),
        trouble_style=trouble,
        style=style,
        network=json.dumps(network).replace("</", "<\\/"),
        numbers=_base64(gzip.compress(planes.tobytes())),
        script=script,
    )


def conv(
    name: str,
    shape: tuple[int, int, int],
    kernel: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None = None,
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Layer:
    """A convolution layer; its output shape counts the windows that fit."""
    spans = [d * (k - 1) + 1 for k, d in zip(kernel.shape[:2], dilation, strict=True)]
    rows, columns = (
        len(range(0, shape[a] + sum(padding[a]) - spans[a] + 1, stride[a])) for a in (0, 1)
    )
    arrays = {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}
    return {
        "name": name,
        "kind": "conv",
        "in": list(shape),
        "out": [rows, columns, kernel.shape[3]],
        "stride": list(stride),
        "padding": [list(pads) for pads in padding],
        "dilation": list(dilation),
        "groups": groups,
        "arrays": arrays,
    }


def pool(
    kind: str,
    shape: tuple[int, int, int],
    window: tuple[int, int],
    *,
    stride: tuple[int, int] | None = None,
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
) -> Layer:
    """A pooling layer, "max_pool" or "average_pool"."""
    steps = stride or window
    rows, columns = (
        len(range(0, shape[a] + sum(padding[a]) - window[a] + 1, steps[a])) for a in (0, 1)
    )
    return {
        "name": kind,
        "kind": kind,
        "in": list(shape),
        "out": [rows, columns, shape[2]],
        "window": list(window),
        "stride": list(steps),
        "padding": [list(pads) for pads in padding],
    }


def plain(
    name: str, kind: str, shape: list[int], out: list[int] | None = None, **rest: Any
) -> Layer:
    """A layer without a window: activation, flatten, dense, dropout, batch_norm, softmax."""
    return {"name": name, "kind": kind, "in": shape, "out": out or shape, **rest}


def _hash(text: str) -> str:
    return f"sha256-{_base64(hashlib.sha256(text.encode()).digest())}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
