"""Build the page: HTML, styles, scripts, the network and its numbers in one text."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn import ops
from jcnn.data.events import Notify, silent
from jcnn.data.request import Resize
from jcnn.explore._assemble import assemble, in_script
from jcnn.explore._epochs import Epochs, check_epochs, describe_epochs
from jcnn.explore._learn import learn_content
from jcnn.explore._maximise import MOST_CHANNELS, maximised
from jcnn.explore._network import Network, network
from jcnn.explore._numbers import Numbers, Place, packed_size
from jcnn.explore._top_images import top_images as find_top_images
from jcnn.layers import Layer
from jcnn.layers.finite import check_finite
from jcnn.system.files import write_text

# In bytes: the size of a page if its parameters are small enough; else what the checks may add,
# the larger of a constant (enough for the last layers) and a share of the page; and the size above
# which a page is refused.
LIMIT = 2_600_000
_FOR_CHECKS = 50_000
_PART_FOR_CHECKS = 0.1
_SMALL = 1000  # numbers
_REFUSED = 150_000_000

# Multiply-adds above which the page runs the model in a worker; the same number is in passes.js.
_LONG = 100_000_000

_MOST_PICTURES = 16
_MOST_NAMES = 8  # in the sentence on what is left out


@dataclass(frozen=True)
class Page:
    """A self-contained page that works offline.

    Attributes:
        html: the page.
        left_out: one sentence for each check omitted to limit the size.
    """

    html: str
    left_out: tuple[str, ...]

    def save(self, path: str | Path) -> None:
        """Write the page to a file atomically."""
        write_text(Path(path), self.html)

    def _repr_html_(self) -> str:
        """The page in a notebook, in a sandboxed frame without access to the notebook."""
        return (
            '<iframe sandbox="allow-scripts" width="100%" height="800" style="border: 0" '
            f'srcdoc="{escape(self.html)}"></iframe>'
        )


def page(
    model: nnx.Module | Sequence[Layer],
    images: npt.NDArray[np.uint8],
    class_names: Sequence[str],
    *,
    labels: Sequence[int | None] | None = None,
    names: Sequence[str] | None = None,
    title: str = "",
    resize: Resize = "stretch",
    top_images: npt.NDArray[np.uint8] | None = None,
    epochs: Epochs | None = None,
    name: str = "A",
    other: tuple[str, nnx.Module | Sequence[Layer]] | None = None,
    learn: tuple[npt.NDArray[np.uint8], Sequence[int]] | None = None,
    half: bool = False,
    maximise: int = 0,
    notify: Notify = silent,
) -> Page:
    """Make a page that shows every number of every layer of a model for some images.

    Args:
        model: a model of the zoo, a list of layers, or any NNX module of layers that the page
            shows, with branches or without.
        images: `(N, H, W, C)` uint8, 1 to 16 images, grey or RGB.
        class_names: of the K logits, in order.
        labels: class index of each image; None if unknown.
        names: of the images.
        title: heading of the page.
        resize: how an image opened in the page is resized to H x W; see `jcnn.data.read_image`.
        top_images: `(M, H, W, C)` uint8; those of them that activate a channel most are shown with
            it, as thumbnails. The model runs once for each.
        epochs: those of the model's training, which the page shows one after the other.
        name: of the model, beside that of `other`.
        other: name and model of another one for the same images and classes; the page compares the
            two.
        learn: images `(M, H, W, C)` uint8 in random order and the class index of each, with which
            the model can be trained in the page; the page holds out the last fifth.
        half: round parameters to float16, which halves a large page. JAX's outputs, which the page
            compares with its own, are those of the rounded model, in float32.
        maximise: for as many channels of each convolution, 0 to 16, the image that maximises it is
            computed and shown with it: those with the largest numbers in `images`.
        notify: gets the progress of `maximise`.

    Raises:
        ValueError: the model has a layer that the page cannot show, has parameters that are not
            finite or, with `half`, beyond float16's range, is too large, or does not match the
            images or the class names; or an argument is invalid. The message names it.
    """
    _check_images(images)
    count, height, width, channels = images.shape
    found = network(model, (height, width, channels), half=half)
    check_finite((one.name, name, a) for one in found.layers for name, a in one.arrays.items())
    classes = [str(name) for name in class_names]
    if isinstance(class_names, str) or len(classes) != found.layers[-1].out_shape[0]:
        raise ValueError(
            f"class_names: got {class_names if isinstance(class_names, str) else len(classes)!r}; "
            f"accepted: {found.layers[-1].out_shape[0]} names, one for each logit of the model"
        )
    chosen = [None] * count if labels is None else list(labels)
    called = [f"{i + 1}" for i in range(count)] if names is None else list(map(str, names))
    _check_each("labels", chosen, count)
    _check_each("names", called, count)
    for label in chosen:
        if label is not None and not 0 <= label < len(classes):
            raise ValueError(f"labels: got {label}; accepted: 0 to {len(classes) - 1}, or None")

    if resize not in get_args(Resize):
        raise ValueError(f"resize: got {resize!r}; accepted: {', '.join(get_args(Resize))}")

    if not 0 <= maximise <= MOST_CHANNELS:
        raise ValueError(f"maximise: got {maximise}; accepted: 0 to {MOST_CHANNELS} channels")

    second = None
    if other is not None:
        if epochs is not None:
            raise ValueError("epochs: got epochs and another model; accepted: one of them")
        second = network(other[1], (height, width, channels), half=half)
        check_finite((one.name, n, a) for one in second.layers for n, a in one.arrays.items())
        if second.layers[-1].out_shape != found.layers[-1].out_shape:
            raise ValueError(
                f"other: has {second.layers[-1].out_shape[0]} classes; accepted: as many as model, "
                f"{len(classes)}"
            )

    numbers = Numbers()
    content: dict[str, Any] = {
        "format": 1,
        "title": title,
        "classes": classes,
        "input": {"shape": [height, width, channels], "scale": 255, "resize": resize},
        "layers": _layers(found, numbers),
        "pictures": [
            {
                "name": name,
                "label": None if label is None else int(label),
                "pixels": base64.b64encode(np.ascontiguousarray(image).tobytes()).decode("ascii"),
            }
            for name, label, image in zip(called, chosen, images, strict=True)
        ],
        "checks": [],
        "left_out": [],
    }
    if top_images is not None:
        if top_images.ndim != 4 or top_images.dtype != np.uint8 or len(top_images) == 0:
            got = f"{top_images.shape} of {top_images.dtype}"
            raise ValueError(f"top_images: got {got}; accepted: (M, H, W, C) of uint8, M >= 1")
        if top_images.shape[1:] != images.shape[1:]:
            shape = images.shape[1:]
            raise ValueError(f"top_images: got images of {top_images.shape[1:]}; accepted: {shape}")
        content["top"] = find_top_images(found, top_images)
    if half:
        content["half"] = True
    if learn is not None:
        content["learn"] = learn_content(found, *learn, len(classes))
    size = _size(found)
    if second is not None and other is not None:
        size += _size(second)
        content["compare"] = {"names": [name, other[0]], "layers": _layers(second, numbers)}
        if top_images is not None:
            content["compare"]["top"] = find_top_images(second, top_images)
    if size > _REFUSED:
        raise ValueError(
            f"model: its parameters take {size / 1e6:.1f} MB in a page; "
            f"accepted: {_REFUSED / 1e6:.0f} MB at most"
        )
    if epochs is not None:
        check_epochs(epochs, found)
        _check_size_of_epochs(len(epochs.numbers), size)
    if maximise:  # it takes long, so all refusals come before
        content["maximised"] = maximised(found, images, maximise, notify)
        if second is not None:
            content["compare"]["maximised"] = maximised(second, images, maximise, notify)
    if epochs is not None:
        content["epochs"] = describe_epochs(epochs, found, images, numbers, half=half)
    # 5 KB for the places of the checks, and 1 % for the error of the estimate.
    size += len(_html(title, content, "")) + 5_000 + size // 100
    budget = max(LIMIT - size, _FOR_CHECKS, int(size * _PART_FOR_CHECKS))
    checks, left_out = _checks(found, images, called, numbers, budget)
    content["checks"], content["left_out"] = checks, left_out
    if second is not None:
        more, left = _checks(second, images, called, numbers, budget)
        content["compare"] |= {"checks": more, "left_out": left}
        left_out = left_out + [one for one in left if one not in left_out]
    models = [found] if second is None else [found, second]
    worker = learn is not None or any(_multiply_adds(one) > _LONG for one in models)
    html = _html(title, content, numbers.text(), worker)
    return Page(html, tuple(map(_sentence, left_out)))


def _multiply_adds(found: Network) -> int:
    """Products of an input and a weight in one pass of the model."""
    return sum(
        ops.multiply_adds(
            one.in_shape if one.kind == "conv_transpose" else one.out_shape,
            one.arrays["kernel"].shape,
        )
        for one in found.layers
        if "kernel" in one.arrays
    )


def _size(found: Network) -> int:
    """Estimate how many characters the parameters take in a page."""
    return sum(packed_size(array) for layer in found.layers for array in layer.arrays.values())


def _layers(found: Network, numbers: Numbers) -> list[dict[str, Any]]:
    """The layers as JSON; their arrays are added to `numbers`."""
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "inputs": layer.inputs,
            "in": layer.in_shape,
            "out": layer.out_shape,
            **layer.settings,
            "arrays": {name: numbers.add(array) for name, array in layer.arrays.items()},
        }
        for layer in found.layers
    ]


def _check_size_of_epochs(count: int, size: int) -> None:
    """Refuse epochs whose weights do not fit in a page; `size` is that of one."""
    if count * size <= _REFUSED:
        return
    most = f"{_REFUSED / 1e6:.0f} MB at most"
    fit = _REFUSED // size
    if fit >= 2:
        most += f", {fit} of these epochs: train with --keep-checkpoints {fit}"
    raise ValueError(
        f"epochs: the weights of {count} epochs take {count * size / 1e6:.1f} MB in a page; "
        f"accepted: {most}"
    )


def _checks(
    found: Network,
    images: npt.NDArray[np.uint8],
    names: Sequence[str],
    numbers: Numbers,
    budget: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The outputs by JAX of as many layers and images as fit in `budget`, and the omitted ones.

    Small outputs of all images come first, so that the last layers, where every error shows, are
    included. Then come those of the first image, then of the others, small before large.
    """
    outputs = [found.outputs(image) for image in images]

    def rank(spot: tuple[int, int]) -> tuple[int, int, int]:
        picture, layer = spot
        size = outputs[picture][layer].size
        return (0 if size <= _SMALL else 1 + min(picture, 1)), size, picture

    spots = [(p, i) for p in range(len(images)) for i in range(len(found.layers))]
    places: list[list[Place | None]] = [[None] * len(found.layers) for _ in images]
    for picture, layer in sorted(spots, key=rank):
        output = outputs[picture][layer]
        size = 0 if output in numbers else packed_size(output)
        if size <= budget:
            budget -= size
            places[picture][layer] = numbers.add(output)
    unchecked: dict[tuple[str, ...], list[str]] = {}
    for name, of_picture in zip(names, places, strict=True):
        missing = zip(found.layers, of_picture, strict=True)
        layers = tuple(layer.name for layer, place in missing if place is None)
        if layers:
            unchecked.setdefault(layers, []).append(name)
    checks = [{"picture": i, "outputs": of_picture} for i, of_picture in enumerate(places)]
    return checks, [{"layers": k, "pictures": v} for k, v in unchecked.items()]


def _sentence(left_out: dict[str, Any]) -> str:
    """An English sentence for `Page.left_out`; the page has its own, in two languages."""
    names, pictures = left_out["layers"], ", ".join(left_out["pictures"])
    layers = ", ".join(names)
    if len(names) > _MOST_NAMES:
        layers = f"{len(names)} layers ({', '.join(names[:_MOST_NAMES])}, ...)"
    return f"JAX's outputs of {layers} for image {pictures}"


def _check_images(images: npt.NDArray[np.uint8]) -> None:
    form = f"(N, H, W, C) of uint8 with 1 <= N <= {_MOST_PICTURES} and C = 1 or 3"
    if not isinstance(images, np.ndarray):
        raise ValueError(f"images: got {type(images).__name__}; accepted: an array {form}")
    wrong = images.ndim != 4 or images.dtype != np.uint8 or 0 in images.shape
    if wrong or len(images) > _MOST_PICTURES or images.shape[3] not in (1, 3):
        raise ValueError(f"images: got {images.shape} of {images.dtype}; accepted: {form}")


def _check_each(argument: str, values: Sequence[object], count: int) -> None:
    if len(values) != count:
        raise ValueError(f"{argument}: got {len(values)}; accepted: one for each of {count} images")


# --- HTML -----------------------------------------------------------------------------------------


def _html(title: str, content: dict[str, Any], numbers: str, worker: bool = False) -> str:
    """Fill `page/index.html` with the styles, the scripts and the data."""
    return assemble(
        "index.html",
        "main.js",
        title,
        images=True,
        worker=worker,
        network=in_script(json.dumps(content)),
        numbers=numbers,
    )
