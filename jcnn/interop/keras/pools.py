"""Poolings of any padding as Keras's, which know "same" and "valid" alone."""

from jcnn import ops
from jcnn.graph import INPUT, Graph, Node
from jcnn.interop.keras.written import NO_SIDES, Layers, Shape

_KINDS = {"max_pool": "MaxPooling2D", "average_pool": "AveragePooling2D"}
# Functions without negative results.
_NON_NEGATIVE = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softplus", "softmax")
_KEEPS_SIGN = ("max_pool", "average_pool", "dropout", "spatial_dropout", "zero_pad", "crop")


def write_pool(node: Node, before: str, graph: Graph, to: Layers) -> str:
    """Add a pooling; the name of the last layer.

    A maximum of numbers that are not negative has zeros around it, which change nothing. Otherwise
    a pooling with stride 1 and "same" has the windows that are wanted and others, which are left
    out.

    Raises:
        ValueError: the padding is more than half of the window.
    """
    shape, how = graph.shape_of(node.inputs[0]), node.settings
    window = ops.resolve_window(
        (shape[0], shape[1]), how["window"], stride=how["stride"], padding=how["padding"]
    )
    if window.padding == NO_SIDES or is_same(window):
        padding = "valid" if window.padding == NO_SIDES else "same"
        return _add(node, before, node.shape, to, padding, window.stride)
    pairs = list(zip(window.padding, window.kernel, strict=True))
    within = all(max(sides) < size for sides, size in pairs)
    if node.kind == "max_pool" and within and _is_non_negative(node.inputs[0], graph):
        before, _ = to.pad(node.name, before, shape, window.padding)
        return _add(node, before, node.shape, to, "valid", window.stride)
    sides = []
    for axis in (0, 1):
        first = (window.kernel[axis] - 1) // 2 - window.padding[axis][0]
        kept = (node.shape[axis] - 1) * window.stride[axis] + 1
        sides.append((first, shape[axis] - first - kept))
    if min(map(min, sides)) < 0:
        raise ValueError(
            f"padding: got {window.padding} with a window of {window.kernel}; accepted for Keras: "
            "at most half of the window"
        )
    made = _add(node, before, shape, to, "same", (1, 1))
    made, shape = to.crop(node.name, made, shape, (sides[0], sides[1]))
    return to.every(node.name, made, shape, window.stride)


def is_same(window: ops.Window) -> bool:
    """Whether the padding is that of Keras's "same"."""
    same = ops.resolve_window(
        window.in_size,
        window.kernel,
        stride=window.stride,
        padding="SAME",
        dilation=window.dilation,
    )
    return same.padding == window.padding


def _add(
    node: Node, before: str, shape: Shape, to: Layers, padding: str, stride: tuple[int, int]
) -> str:
    how = {"pool_size": node.settings["window"], "strides": stride, "padding": padding}
    return to.add(_KINDS[node.kind], node.name, (before,), shape, how)


def _is_non_negative(name: str, graph: Graph) -> bool:
    """Whether a node gives no negative numbers, whatever the images are."""
    while name != INPUT and graph[name].kind in _KEEPS_SIGN:
        (name,) = graph[name].inputs
    if name == INPUT:
        return False
    node = graph[name]
    return node.kind == "activation" and node.settings["function"] in _NON_NEGATIVE
