"""Writes a model as an ONNX file."""

import json
from pathlib import Path

import numpy as np

from jcnn import __version__
from jcnn.data.preprocessing import Preprocessing
from jcnn.graph import INPUT, Graph
from jcnn.interop.onnx.nodes import OPSET, Operations, translate
from jcnn.interop.onnx.wire import Tensor, encode_model
from jcnn.system.files import write_bytes

# Protocol buffers hold less.
_LARGEST = 2**31 - 1


def write_onnx(
    graph: Graph,
    path: Path,
    *,
    class_names: tuple[str, ...],
    preprocessing: Preprocessing | None,
    with_preprocessing: bool,
) -> None:
    """Write a graph; its input is `images (N, H, W, C)`, its output `logits (N, K)`.

    Args:
        graph: of a model in eval mode.
        path: the file; it is replaced.
        class_names, preprocessing: for the file's metadata.
        with_preprocessing: whether the images are uint8 and the output is `probabilities (N, K)`.

    Raises:
        ValueError: a node has no form in ONNX, or the file would be larger than 2 GiB.
    """
    to = Operations()
    images, dtype, output = INPUT, "float32", "logits"
    if with_preprocessing:
        images, dtype = _preprocessed(preprocessing, to), "uint8"
        output = "probabilities"
    last = translate(graph, to, images)
    kind = "Softmax" if with_preprocessing else "Identity"
    to.add(kind, last, name=output)
    size = sum(array.nbytes for array in to.arrays.values())
    if size > _LARGEST - 2**20:
        raise ValueError(f"path: {path.name}: {size:,} bytes; accepted: less than 2 GiB")
    own = preprocessing
    content = encode_model(
        "model",
        to.nodes,
        to.arrays,
        Tensor(INPUT, dtype, ("N", *graph.input_shape)),
        Tensor(output, "float32", ("N", *graph.shape_of(graph.output))),
        opset=OPSET,
        version=__version__,
        metadata={
            "class_names": json.dumps(class_names, ensure_ascii=False),
            "preprocessing": json.dumps("x / 255" if own is None else own.to_json()),
        },
    )
    write_bytes(path, [content])


def _preprocessed(own: Preprocessing | None, to: Operations) -> str:
    """Operations from uint8 images to the model's input."""
    x = to.add("Cast", INPUT, to=1)
    x = to.add("Div", x, to.number(255))
    if own is None:
        return x
    if own.channels == "bgr":
        x = to.add("Gather", x, to.constant(np.array([2, 1, 0]), "channels"), axis=3)
    x = to.add("Sub", x, to.constant(np.array(own.mean, np.float32), "mean"))
    return to.add("Div", x, to.constant(np.array(own.deviation, np.float32), "deviation"))
