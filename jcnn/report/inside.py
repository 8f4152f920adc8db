"""The sections of a report on what is inside a model: its first filters and its feature maps."""

from html import escape

import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.data import Dataset
from jcnn.report.figure import Picture, as_colours, enlarged, png_bytes
from jcnn.report.filters import Maps, feature_maps, first_filters, layer_outputs
from jcnn.report.page import Section, beside, figure, paragraph

_READING = (
    "The darkest colour is the minimum of each map, the brightest its maximum. After a ReLU, which "
    "makes negative numbers 0, black means 0: the filter found nothing there. A map that is the "
    "same number everywhere, mostly 0, has no contrast and is grey."
)


def inside_sections(
    module: nnx.Module, test: Dataset, probabilities: npt.NDArray[np.floating]
) -> list[tuple[Section, list[Picture]]]:
    """The sections on filters and feature maps, if the model has any."""
    right = np.flatnonzero(probabilities.argmax(axis=1) == test.labels)
    row = int(right[0]) if len(right) else 0
    image = test.images[np.array([row])][0]
    layers = layer_outputs(module, image)
    found: list[tuple[Section, list[Picture]]] = []
    first = first_filters(layers)
    if first is not None:
        name, shape, drawn = first
        rows, columns, channels, count = shape
        colours = (
            "In colour; grey is 0."
            if channels == 3
            else "Blue is negative, pale 0, orange positive."
        )
        note = f"Layer {name}: {count} filters of {rows}x{columns}x{channels}. {colours}"
        found.append((Section("filters", "First filters", figure(drawn, note, "pixels")), [drawn]))
    maps = feature_maps(layers)
    if maps:
        shown = png_bytes(enlarged(as_colours(image), 96), most=224)
        label = test.class_names[test.labels[row]]
        example = Picture("example", shown, 96, f"test image {row}")
        which = "" if test.names is None else f", {test.names[row]}"
        parts = [
            beside(
                figure(example, "", "pixels"),
                paragraph(f"Test image {row}{which}: {label}. The outputs of each layer follow.")
                + paragraph(_READING, "soft"),
            )
        ]
        for layer in maps:
            parts.append(f"<h3>{escape(layer.layer)}</h3>")
            parts.append(figure(layer.picture, _caption(layer), "pixels"))
        html = "\n".join(parts)
        found.append((Section("maps", "Feature maps", html), [layer.picture for layer in maps]))
    return found


def _caption(layer: Maps) -> str:
    """Shape and number of the maps, and how many of them are zero and why."""
    height, width, channels = layer.shape
    of = "all" if layer.shown == channels else f"the first {layer.shown}"
    scale = ", on one scale" if height * width == 1 else ""
    said = f"{height}x{width}x{channels}, {of} maps{scale}."
    if not layer.zero:
        return said
    are = "is" if layer.zero == 1 else "are"
    said += f" {layer.zero} of {channels} {are} 0 everywhere for this image"
    if layer.rectified:
        return f"{said}: their sums are negative at every position, and a ReLU makes them 0."
    return f"{said}."
