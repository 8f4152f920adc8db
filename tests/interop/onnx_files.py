"""ONNX files made with the package `onnx`, as PyTorch's and Keras's exporters write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]


class Net:
    """Collects nodes; arrays of weights are drawn."""

    def __init__(self, shape: tuple[Any, ...] = ("N", 3, 9, 8), *, dtype: int = 1) -> None:
        self.rng = np.random.default_rng(7)
        self.shape, self.dtype = shape, dtype
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []

    def __call__(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node; arrays among the inputs become initializers. The name of its output."""
        names = [one if isinstance(one, str) else self.keep(one) for one in inputs]
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], f"n{output}", **attributes))
        return output

    def keep(self, array: Any) -> str:
        """An initializer."""
        name = f"array{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def drawn(self, *shape: int) -> Array:
        """Random weights."""
        return self.rng.normal(size=shape).astype(np.float32)

    def positive(self, *shape: int) -> Array:
        """Random numbers of 0.5 to 1.5."""
        return self.rng.uniform(0.5, 1.5, shape).astype(np.float32)

    def model(self, output: str, opset: int = 17, producer: str = "test") -> Any:
        """The model, checked."""
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [value("x", self.dtype, self.shape)],
            [value(output, TensorProto.FLOAT, None)],
            self.arrays,
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], producer_name=producer
        )
        made.ir_version = 8
        inferred = onnx.shape_inference.infer_shapes(made)
        made.graph.output[0].CopyFrom(inferred.graph.output[0])
        # The shapes of some old operations are not inferred, and the checker wants one.
        if made.graph.output[0].type.tensor_type.HasField("shape"):
            onnx.checker.check_model(made, full_check=True)
        return made

    def save(self, path: Path, output: str, opset: int = 17) -> Path:
        """Write the file."""
        onnx.save(self.model(output, opset), path)
        return path


Case = Callable[[Net], str]


def ints(*numbers: int) -> Array:
    """An array of sizes."""
    return np.array(numbers, np.int64)


CONVOLUTIONS: dict[str, Case] = {
    "plain": lambda n: n("Conv", "x", n.drawn(4, 3, 3, 2), n.drawn(4)),
    "stride, dilation, uneven pads": lambda n: n(
        "Conv", "x", n.drawn(4, 3, 3, 2), strides=[2, 1], dilations=[1, 3], pads=[1, 0, 2, 3]
    ),
    "same, upper": lambda n: n(
        "Conv", "x", n.drawn(4, 3, 4, 2), auto_pad="SAME_UPPER", strides=[2, 3]
    ),
    "same, lower": lambda n: n("Conv", "x", n.drawn(4, 3, 4, 2), auto_pad="SAME_LOWER"),
    "valid": lambda n: n("Conv", "x", n.drawn(4, 3, 4, 2), auto_pad="VALID"),
    "groups": lambda n: n(
        "Conv", n("Conv", "x", n.drawn(4, 3, 1, 1)), n.drawn(6, 2, 3, 3), n.drawn(6), group=2
    ),
    "depthwise, three times": lambda n: n("Conv", "x", n.drawn(9, 1, 3, 2), n.drawn(9), group=3),
    "transposed": lambda n: n(
        "ConvTranspose",
        "x",
        n.drawn(3, 4, 3, 2),
        n.drawn(4),
        strides=[2, 3],
        pads=[1, 0, 0, 1],
        output_padding=[1, 0],
    ),
    "transposed, groups, dilation": lambda n: n(
        "ConvTranspose", "x", n.drawn(3, 2, 3, 2), group=3, dilations=[2, 1], strides=[1, 2]
    ),
    "transposed, a wanted size": lambda n: n(
        "ConvTranspose", "x", n.drawn(3, 4, 3, 3), strides=[2, 2], output_shape=[18, 16]
    ),
    "a bias after": lambda n: n("Add", n("Conv", "x", n.drawn(4, 3, 3, 2)), n.drawn(1, 4, 1, 1)),
}

POOLING: dict[str, Case] = {
    "max": lambda n: n("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    "max, rounded up": lambda n: n(
        "MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1
    ),
    "average": lambda n: n("AveragePool", "x", kernel_shape=[2, 3], pads=[0, 1, 1, 1]),
    "average of padding": lambda n: n(
        "AveragePool", "x", kernel_shape=[2, 3], pads=[0, 1, 1, 1], count_include_pad=1
    ),
    "average, same": lambda n: n(
        "AveragePool", "x", kernel_shape=[2, 3], auto_pad="SAME_UPPER", strides=[2, 2]
    ),
    "global": lambda n: n("Concat", n("GlobalAveragePool", "x"), n("GlobalMaxPool", "x"), axis=1),
    "mean and maximum": lambda n: n(
        "Concat",
        n("ReduceMean", "x", axes=[2, 3], keepdims=0),
        n("ReduceMax", "x", axes=[-1, -2], keepdims=0),
        axis=-1,
    ),
    "enlarged": lambda n: n(
        "Resize",
        "x",
        "",
        np.array([1, 1, 2, 3], np.float32),
        mode="nearest",
        coordinate_transformation_mode="half_pixel",
    ),
    "enlarged to a size": lambda n: n(
        "Resize",
        "x",
        "",
        "",
        n("Concat", n("Slice", n("Shape", "x"), ints(0), ints(1)), ints(3, 18, 24), axis=0),
        mode="linear",
        coordinate_transformation_mode="pytorch_half_pixel",
    ),
    "rows and columns repeated": lambda n: n("Relu", repeated(n)),
    "padded and cut": lambda n: n(
        "Slice",
        n("Pad", "x", ints(0, 0, 1, 2, 0, 0, 0, 1)),
        ints(0, -20),
        ints(-1, 2**62),
        ints(3, 2),
    ),
    "cut by padding": lambda n: n("Pad", "x", ints(0, 0, -1, 2, 0, 0, 0, -3)),
}

DENSE: dict[str, Case] = {
    "flattened maps": lambda n: n(
        "Gemm", n("Flatten", "x"), n.drawn(5, 216), n.drawn(5), transB=1, alpha=0.5, beta=2.0
    ),
    "a function between": lambda n: n(
        "MatMul", n("Relu", n("Reshape", "x", ints(0, -1))), n.drawn(216, 5)
    ),
    "a bias after": lambda n: n("Add", n.drawn(5), n("MatMul", n("Flatten", "x"), n.drawn(216, 5))),
    "sizes computed": lambda n: n(
        "MatMul",
        n(
            "Reshape",
            "x",
            n(
                "Concat",
                n("Unsqueeze", n("Gather", n("Shape", "x"), np.array(0)), ints(0)),
                ints(-1),
                axis=0,
            ),
        ),
        n.drawn(216, 5),
    ),
    "rows then columns": lambda n: n(
        "MatMul",
        n("Reshape", n("Reshape", "x", ints(-1, 3, 72)), ints(-1, 216)),
        n.drawn(216, 5),
    ),
    "channels last": lambda n: n(
        "Gemm", n("Flatten", n("Transpose", "x", perm=[0, 2, 3, 1])), n.drawn(216, 5)
    ),
    "at every pixel": lambda n: n(
        "Transpose",
        n("MatMul", n("Transpose", "x", perm=[0, 2, 3, 1]), n.drawn(3, 5)),
        perm=[0, 3, 1, 2],
    ),
    "every pixel as a row": lambda n: n(
        "Reshape",
        n(
            "MatMul",
            n("Reshape", n("Transpose", "x", perm=[0, 2, 3, 1]), ints(-1, 3)),
            n.drawn(3, 5),
        ),
        ints(-1, 9, 8, 5),
    ),
    "one output": lambda n: n("Gemm", n("Flatten", "x"), n.drawn(216, 1), n.drawn(1)),
    "statistics of flattened maps": lambda n: n(
        "MatMul",
        n(
            "BatchNormalization",
            n("Flatten", "x"),
            *(n.drawn(216), n.drawn(216), n.drawn(216), n.positive(216)),
        ),
        n.drawn(216, 5),
    ),
}

NORMS: dict[str, Case] = {
    "batch": lambda n: n(
        "BatchNormalization",
        "x",
        *(n.drawn(3), n.drawn(3), n.drawn(3), n.positive(3)),
        epsilon=0.01,
    ),
    "instance": lambda n: n("InstanceNormalization", "x", n.drawn(3), n.drawn(3)),
    "groups, as PyTorch": lambda n: n(
        "Add",
        n(
            "Mul",
            n(
                "Reshape",
                n(
                    "InstanceNormalization",
                    n("Reshape", n("Conv", "x", n.drawn(6, 3, 1, 1)), ints(0, 2, -1)),
                    np.ones(2, np.float32),
                    np.zeros(2, np.float32),
                ),
                ints(0, 6, 9, 8),
            ),
            n.drawn(6, 1, 1),
        ),
        n.drawn(6, 1, 1),
    ),
    "layer": lambda n: n(
        "Transpose",
        n(
            "LayerNormalization",
            n("Transpose", "x", perm=[0, 2, 3, 1]),
            n.drawn(3),
            n.drawn(3),
            axis=-1,
            epsilon=0.1,
        ),
        perm=[0, 3, 1, 2],
    ),
    "written out": lambda n: written_out(n, "x", [1], (3, 1, 1)),
    "written out, of maps": lambda n: written_out(n, "x", [2, 3], (3, 1, 1)),
    "as Keras": lambda n: as_keras(n, "x", [1], (1, 3, 1, 1)),
    "groups, as Keras": lambda n: n(
        "Reshape",
        as_keras(
            n,
            n(
                "Reshape",
                n("Transpose", n("Conv", "x", n.drawn(6, 3, 1, 1)), perm=[0, 2, 3, 1]),
                ints(-1, 9, 8, 3, 2),
            ),
            [1, 2, 4],
            (1, 1, 1, 3, 2),
        ),
        ints(-1, 9, 8, 6),
    ),
}


def written_out(net: Net, x: str, axes: list[int], shape: tuple[int, ...]) -> str:
    """`(x - mean) / sqrt(variance + epsilon)`, as PyTorch writes it before opset 17."""
    centred = net("Sub", x, net("ReduceMean", x, axes=axes))
    square = net("Pow", centred, np.array(2, np.float32))
    variance = net("Add", net("ReduceMean", square, axes=axes), np.array(1e-3, np.float32))
    y = net("Div", centred, net("Sqrt", variance))
    return net("Add", net("Mul", y, net.drawn(*shape)), net.drawn(*shape))


def as_keras(net: Net, x: str, axes: list[int], shape: tuple[int, ...]) -> str:
    """The same as `x * a + (b - mean * a)`."""
    mean = net("ReduceMean", x, axes=axes)
    centred = net("Sub", x, mean)
    square = net("Mul", centred, centred)
    variance = net("Add", net("ReduceMean", square, axes=axes), np.array([1e-3], np.float32))
    factor = net("Mul", net("Reciprocal", net("Sqrt", variance)), net.drawn(*shape))
    shift = net("Add", net("Mul", net("Neg", mean), factor), net.drawn(*shape))
    return net("Add", net("Mul", x, factor), shift)


def repeated(net: Net) -> str:
    """Each row twice and each column three times, as Keras's UpSampling2D is exported."""
    y = net("Tile", net("Unsqueeze", "x", ints(3)), ints(1, 1, 1, 2, 1))
    y = net("Reshape", y, ints(-1, 3, 18, 8))
    y = net("Unsqueeze", y, ints(4))
    y = net("Expand", y, ints(1, 1, 1, 1, 3))
    return net("Reshape", y, ints(-1, 3, 18, 24))


def shared(net: Net) -> str:
    """A convolution that is read twice, once by another name."""
    y = net("Conv", "x", net.drawn(4, 3, 2, 2))
    other = net("Relu", y)
    turned = net("Transpose", net("Identity", y), perm=[0, 2, 3, 1])
    added = net("Transpose", net("Add", turned, net.drawn(4)), perm=[0, 3, 1, 2])
    return net("Mul", net("Mul", added, net.drawn(4, 1, 1)), other)


def number(value: float) -> Array:
    """A single float32."""
    return np.array(value, np.float32)


FUNCTIONS: dict[str, tuple[str, Case]] = {
    "relu": ("relu", lambda n: n("Relu", "x")),
    "relu, as a maximum": ("relu", lambda n: n("Max", "x", number(0))),
    "relu6": ("relu6", lambda n: n("Clip", "x", number(0), number(6))),
    "relu6, as a minimum": ("relu6", lambda n: n("Min", n("Relu", "x"), number(6))),
    "leaky_relu": ("leaky_relu", lambda n: n("LeakyRelu", "x", alpha=0.3)),
    "prelu": ("leaky_relu", lambda n: n("PRelu", "x", np.full((3, 1, 1), 0.25, np.float32))),
    "elu": ("elu", lambda n: n("Elu", "x", alpha=0.7)),
    "selu": ("selu", lambda n: n("Selu", "x")),
    "sigmoid": ("sigmoid", lambda n: n("Sigmoid", "x")),
    "sigmoid, written out": (
        "sigmoid",
        lambda n: n("Reciprocal", n("Add", n("Exp", n("Neg", "x")), number(1))),
    ),
    "tanh": ("tanh", lambda n: n("Tanh", "x")),
    "softplus": ("softplus", lambda n: n("Softplus", "x")),
    "softplus, written out": (
        "softplus",
        lambda n: n("Log", n("Add", n("Exp", "x"), number(1))),
    ),
    "silu": ("silu", lambda n: n("Mul", "x", n("Sigmoid", "x"))),
    "mish": ("mish", lambda n: n("Mul", n("Tanh", n("Softplus", "x")), "x")),
    "hard_sigmoid": ("hard_sigmoid", lambda n: n("HardSigmoid", "x", alpha=1 / 6, beta=0.5)),
    "hard_sigmoid, written out": (
        "hard_sigmoid",
        lambda n: n("Div", n("Clip", n("Add", "x", number(3)), number(0), number(6)), number(6)),
    ),
    "hard_swish": ("hard_swish", lambda n: n("HardSwish", "x")),
    "hard_swish, written out": (
        "hard_swish",
        lambda n: n(
            "Mul",
            n("Mul", "x", n("Clip", n("Add", "x", number(3)), number(0), number(6))),
            number(1 / 6),
        ),
    ),
    "gelu": (
        "gelu",
        lambda n: n(
            "Mul",
            n("Mul", "x", n("Add", n("Erf", n("Div", "x", number(2**0.5))), number(1))),
            number(0.5),
        ),
    ),
    "gelu_tanh": (
        "gelu_tanh",
        lambda n: n(
            "Mul",
            n("Mul", number(0.5), "x"),
            n(
                "Add",
                number(1),
                n(
                    "Tanh",
                    n(
                        "Mul",
                        number((2 / np.pi) ** 0.5),
                        n("Add", "x", n("Mul", n("Pow", "x", number(3)), number(0.044715))),
                    ),
                ),
            ),
        ),
    ),
}

ARITHMETIC: dict[str, Case] = {
    "of branches": lambda n: n(
        "Div",
        n("Mul", n("Conv", "x", n.drawn(3, 3, 1, 1)), n("Tanh", "x")),
        n("Add", n("Softplus", n("Sub", "x", n("MaxPool", "x", kernel_shape=[1, 1]))), number(1)),
    ),
    "a weight a channel": lambda n: n(
        "Mul", n("GlobalAveragePool", n("Relu", "x")), n("Conv", "x", n.drawn(3, 3, 1, 1))
    ),
    "arrays": lambda n: n(
        "Sub", n.drawn(1, 3, 1, 8), n("Div", n("Mul", "x", n.drawn(3, 1, 1)), n.positive(9, 1))
    ),
    "a sum of three": lambda n: n("Sum", "x", n("Relu", "x"), n("Neg", "x")),
    "one in two ways": lambda n: n("Add", n("Sub", number(1), "x"), n("Mul", "x", number(2))),
    "joined": lambda n: n("Concat", n("Relu", "x"), "x", n("Identity", "x"), axis=1),
    "joined rows": lambda n: n("Concat", n("Relu", "x"), "x", axis=2),
    "a gate": lambda n: n(
        "Mul",
        "x",
        n(
            "Reshape",
            n("Sigmoid", n("Gemm", n("Flatten", n("GlobalAveragePool", "x")), n.drawn(3, 3))),
            ints(-1, 3, 1, 1),
        ),
    ),
    "not a bias alone": lambda n: shared(n),
    "dropout": lambda n: n("Dropout", n("Cast", "x", to=1), number(0.4)),
}


def pair(height: float, width: float) -> Array:
    """Scales of images."""
    return np.array([1, 1, height, width], np.float32)


# Forms of older and newer versions of the operations.
VERSIONS: dict[str, tuple[int, Case]] = {
    "attributes": (
        9,
        lambda n: n(
            "Slice",
            n("Pad", n("Clip", "x", min=0.0, max=6.0), pads=[0, 0, 1, 0, 0, 0, 0, 2]),
            starts=[1, 0],
            ends=[8, 100],
            axes=[2, 3],
        ),
    ),
    "a dropped half, squeezed": (
        11,
        lambda n: n(
            "Unsqueeze",
            n("Squeeze", n("GlobalMaxPool", n("Dropout", "x", ratio=0.3)), axes=[2, 3]),
            axes=[3, 2],
        ),
    ),
    "enlarged": (9, lambda n: n("Upsample", "x", pair(2, 3), mode="nearest")),
    "enlarged, opset 10": (10, lambda n: n("Resize", "x", pair(3, 2), mode="nearest")),
    "enlarged along axes": (
        18,
        lambda n: n("Resize", "x", "", np.array([3, 2], np.float32), axes=[3, 2], mode="linear"),
    ),
    "softmax of maps": (
        11,
        lambda n: n("Softmax", n("GlobalAveragePool", "x"), axis=1),
    ),
    "softmax, axis 1": (17, lambda n: n("Softmax", n("GlobalAveragePool", "x"), axis=1)),
    "a mean": (18, lambda n: n("ReduceMean", "x", ints(2, 3), keepdims=0)),
    "groups": (
        21,
        lambda n: n(
            "GroupNormalization",
            n("Conv", "x", n.drawn(6, 3, 1, 1)),
            n.drawn(6),
            n.drawn(6),
            num_groups=2,
            epsilon=0.1,
        ),
    ),
    "one group": (
        21,
        lambda n: n("GroupNormalization", "x", n.drawn(3), n.drawn(3), num_groups=1),
    ),
    "gelu": (20, lambda n: n("Gelu", "x")),
    "gelu, by tanh": (20, lambda n: n("Gelu", "x", approximate="tanh")),
    "mish": (18, lambda n: n("Mish", "x")),
    "a pooling of opset 22": (
        22,
        lambda n: n("AveragePool", "x", kernel_shape=[2, 3], dilations=[1, 1], ceil_mode=1),
    ),
    "transposed, same": (
        17,
        lambda n: n(
            "ConvTranspose", "x", n.drawn(3, 2, 3, 4), strides=[2, 3], auto_pad="SAME_UPPER"
        ),
    ),
    "transposed, same, lower": (
        17,
        lambda n: n(
            "ConvTranspose", "x", n.drawn(3, 2, 4, 4), strides=[1, 3], auto_pad="SAME_LOWER"
        ),
    ),
}
