"""Reading ONNX: the numbers of onnxruntime, the way back of jcnn's own files, and refusals."""

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from flax import nnx
from onnx import helper, numpy_helper

from jcnn.data.preprocessing import Preprocessing, model_input, set_preprocessing
from jcnn.graph import GraphModel, graph
from jcnn.interop import load_model
from jcnn.interop.onnx.layers import READERS
from jcnn.interop.onnx.read import list_onnx, read_onnx
from jcnn.layers import Conv2D, Flatten, Sequential, eval_mode
from jcnn.models import build
from jcnn.train import predict
from tests.graph.test_build import MODELS
from tests.interop.onnx_files import (
    ARITHMETIC,
    CONVOLUTIONS,
    DENSE,
    FUNCTIONS,
    NORMS,
    POOLING,
    VERSIONS,
    Case,
    Net,
    ints,
    number,
)
from tests.interop.test_onnx import ZOO, logits, onnxruntime, saved

ROOT = Path(__file__).parents[2]
GROUPS = {
    "convolutions": CONVOLUTIONS,
    "pooling": POOLING,
    "dense": DENSE,
    "norms": NORMS,
    "functions": {name: case for name, (_, case) in FUNCTIONS.items()},
    "arithmetic": ARITHMETIC,
}


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """The output of onnxruntime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: images})
    return np.asarray(output)


def flat(net: Net, case: Case, opset: int = 17) -> str:
    """The result of a case as logits: 4 sums of it with different weights."""
    y = case(net)
    session = onnxruntime.InferenceSession(net.model(y, opset).SerializeToString())
    size = session.run(None, {"x": np.zeros((1, 3, 9, 8), np.float32)})[0].size
    scale = net.drawn(size, 4) / np.sqrt(size)
    return net("Gemm", net("Flatten", y), scale.astype(np.float32), np.zeros(4, np.float32))


def assert_same_numbers(cases: dict[str, tuple[int, Case]], folder: Path) -> None:
    """All cases as one program, which is compiled faster than one for each."""
    models, wanted = {}, {}
    x = np.random.default_rng(1).normal(size=(2, 3, 9, 8)).astype(np.float32)
    for name, (opset, case) in cases.items():
        net = Net()
        path = net.save(folder / "net.onnx", flat(net, case, opset), opset)
        models[name], meta = load_model(path)
        assert (meta.input_shape, meta.classes) == ((9, 8, 3), 4)
        rows = list_onnx(path).rows
        assert [row.refused for row in rows if row.refused] == [], name
        assert rows[-1].shape == (4,)
        wanted[name] = run(path, x)

    def every(x: jax.Array) -> dict[str, Any]:
        return {name: eval_mode(model)(x) for name, model in models.items()}

    with jax.default_matmul_precision("highest"):
        got = jax.jit(every)(x.transpose(0, 2, 3, 1))
    for name, want in wanted.items():
        np.testing.assert_allclose(
            got[name], want, rtol=0, atol=2e-5 * max(1, want.std()), err_msg=name
        )


@pytest.mark.parametrize("group", GROUPS)
def test_the_numbers_of_onnxruntime(group: str, tmp_path: Path) -> None:
    assert_same_numbers({name: (17, case) for name, case in GROUPS[group].items()}, tmp_path)


def test_older_and_newer_versions_of_operations(tmp_path: Path) -> None:
    assert_same_numbers(VERSIONS, tmp_path)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_recognised(name: str, tmp_path: Path) -> None:
    want, case = FUNCTIONS[name]
    net = Net()
    found = read_onnx(net.save(tmp_path / "net.onnx", flat(net, case))).graph
    kinds = [node.settings.get("function", node.kind) for node in found.nodes]
    assert kinds == [want, "flatten", "dense"]


def test_written_out_layers_are_one_node(tmp_path: Path) -> None:
    kinds = {}
    for name in NORMS:
        net = Net()
        found = read_onnx(net.save(tmp_path / "net.onnx", flat(net, NORMS[name]))).graph
        kinds[name] = [node.kind for node in found.nodes if "norm" in node.kind]
        assert all("scale" in node.arrays for node in found.nodes if "norm" in node.kind)
        assert not {"multiply", "add"} & {node.kind for node in found.nodes}
    assert kinds == {
        "batch": ["batch_norm"],
        "instance": ["group_norm"],
        "groups, as PyTorch": ["group_norm"],
        "layer": ["layer_norm"],
        "written out": ["layer_norm"],
        "written out, of maps": ["group_norm"],
        "as Keras": ["layer_norm"],
        "groups, as Keras": ["group_norm"],
    }


# --- the way back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in MODELS if name != "rare layers of Flax"])
def test_the_way_back_is_bit_identical(name: str, tmp_path: Path) -> None:
    make, shape = MODELS[name]
    model = make()
    file = saved(model, shape, tmp_path / "net.onnx")
    imported = read_onnx(file)
    assert imported.graph.input_shape == shape
    assert imported.class_names is not None
    assert imported.class_names[:2] == ("class 0", "class 1")
    written = {node.name: node for node in graph(model, shape).nodes}
    found = {node.name: node for node in imported.graph.nodes}
    for key, node in written.items():
        for role, array in node.arrays.items():
            if role != "constant" and node.kind != "activation":
                other = np.asarray(found[key].arrays[role])
                assert np.asarray(array).tobytes() == other.tobytes(), (key, role)
    x = np.random.default_rng(2).normal(size=(2, *shape)).astype(np.float32)
    again = GraphModel(imported.graph, rngs=nnx.Rngs(0))
    # In one program, which computes once what is the same.
    both = jax.jit(lambda x: [eval_mode(one)(x) for one in (model, again)])
    with jax.default_matmul_precision("highest"):
        want, got = (np.asarray(one) for one in both(x))
    if name == "branches":  # ends in a softmax, which is left out
        got = np.asarray(jax.nn.softmax(got))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * max(1, want.std()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo_come_back(name: str, tmp_path: Path) -> None:
    shape = (64, 48, 3)
    model = build(name, shape, 5, seed=1)
    again, _ = load_model(saved(model, shape, tmp_path / "net.onnx"))
    x = np.random.default_rng(2).normal(size=(2, *shape)).astype(np.float32)
    want = logits(model, x)
    np.testing.assert_allclose(logits(again, x), want, rtol=0, atol=1e-6 * max(1, want.std()))


@pytest.mark.parametrize("own", [None, "bgr", "grey"])
def test_the_way_back_with_preprocessing(own: str | None, tmp_path: Path) -> None:
    shape = (7, 6, 1 if own == "grey" else 3)
    model = Sequential([Conv2D(shape[2], 2, 3, rngs=nnx.Rngs(0)), Flatten()])
    want = {
        None: None,
        "bgr": Preprocessing(shape[:2], "crop", "bgr", (0.1, 0.4, 0.6), (0.5, 0.25, 2.0)),
        "grey": Preprocessing(shape[:2], "pad", "grey", (0.3,), (0.7,)),
    }[own]
    if want is not None:
        set_preprocessing(model, want)
    for whole in (False, True):
        file = saved(model, shape, tmp_path / "net.onnx", with_preprocessing=whole)
        again, meta = load_model(file)
        assert meta.preprocessing == want
        assert [note for note in meta.notes if "scaled" in note] == []
    images = np.random.default_rng(5).integers(0, 256, (3, *shape), np.uint8)
    np.testing.assert_allclose(predict(again, images), predict(model, images), rtol=0, atol=1e-6)


# --- what files say -------------------------------------------------------------------------------


def assert_runs_alike(path: Path, x: np.ndarray, images: np.ndarray) -> Any:
    """The model has the outputs of onnxruntime; `x` is its input there, `images` in jcnn."""
    model, meta = load_model(path)
    want = run(path, x)
    np.testing.assert_allclose(logits(model, images), want, rtol=0, atol=2e-5)
    return meta


def pooled(net: Net, kernel: np.ndarray) -> str:
    """A convolution and a mean."""
    return net("Flatten", net("GlobalAveragePool", net("Conv", "x", kernel)))


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 1, shape).astype(np.float32)


def as_keras_exports(net: Net) -> str:
    """NHWC images, turned for each convolution and back, as tf2onnx leaves them."""
    x = net("Sub", net("Mul", "x", number(1 / 127.5)), number(1))
    y = net("Transpose", x, perm=[0, 3, 1, 2])
    y = net("Conv", y, net.drawn(4, 3, 3, 2), auto_pad="SAME_UPPER", strides=[2, 2])
    y = net("Transpose", y, perm=[0, 2, 3, 1])
    y = net("Relu", net("Add", y, net.drawn(4)))
    y = net("Add", net("Mul", y, net.drawn(1, 1, 1, 4)), net.drawn(4))
    y = net("ReduceMean", y, axes=[1, 2], keepdims=0)
    return net("Add", net("MatMul", y, net.drawn(4, 5)), net.drawn(5))


def test_a_model_as_keras_exports_it(tmp_path: Path) -> None:
    net = Net(("N", 9, 8, 3))
    path = net.save(tmp_path / "net.onnx", as_keras_exports(net))
    x = 255 * drawn(2, 9, 8, 3)
    meta = assert_runs_alike(path, x, x / 127.5 - 1)
    assert meta.preprocessing.mean == meta.preprocessing.deviation == (0.5,) * 3
    assert meta.notes == ()


def test_numbers_of_images_and_sizes(tmp_path: Path) -> None:
    """One image only in the file, and a height and width that are free."""
    x = drawn(1, 3, 9, 8)
    net = Net((1, 3, 9, 8))
    y = net("Reshape", net("Conv", "x", net.drawn(4, 3, 2, 2)), ints(1, 224))
    path = net.save(tmp_path / "net.onnx", net("Gemm", y, net.drawn(224, 5) / 9))
    assert_runs_alike(path, x, x.transpose(0, 2, 3, 1))
    assert load_model(path)[0](np.ones((3, 9, 8, 3), np.float32)).shape == (3, 5)
    net = Net(("N", 3, "H", "W"))
    y = net("GlobalAveragePool", net("Conv", "x", net.drawn(4, 3, 2, 2)))
    path = net.save(tmp_path / "free.onnx", net("Flatten", y))
    with pytest.raises(ValueError, match=r"any size \(None, None, 3\): name one"):
        load_model(path)
    model, _ = load_model(path, input_shape=(9, 8, 3))
    np.testing.assert_allclose(logits(model, x.transpose(0, 2, 3, 1)), run(path, x), atol=2e-5)
    assert list_onnx(path).input_shape == (None, None, 3)


@pytest.mark.parametrize("dtype", ["float16", "float64", "bits of float16", "listed"])
def test_weights_of_other_kinds(dtype: str, tmp_path: Path) -> None:
    net = Net()
    kernel = net.drawn(4, 3, 3, 2).astype(np.float16)
    want = Net()
    path = want.save(tmp_path / "a.onnx", pooled(want, kernel.astype("f4")))
    tensor = {
        "listed": lambda: helper.make_tensor("w", 1, kernel.shape, kernel.ravel().astype("f4")),
        "bits of float16": lambda: helper.make_tensor("w", 10, kernel.shape, kernel.ravel()),
    }.get(dtype, lambda: numpy_helper.from_array(kernel.astype(dtype), "w"))()
    model = net.model(pooled(net, kernel.astype("f4")))
    tensor.name = model.graph.initializer[0].name
    model.graph.initializer[0].CopyFrom(tensor)
    onnx.save(model, tmp_path / "b.onnx")
    found, expected = read_onnx(tmp_path / "b.onnx"), read_onnx(path)
    read, wanted = (one.graph.nodes[0].arrays["kernel"] for one in (found, expected))
    np.testing.assert_array_equal(read, wanted)
    assert any("float32 here" in note for note in found.notes) == (dtype != "listed")


def test_weights_that_are_no_numbers_are_noted(tmp_path: Path) -> None:
    net = Net()
    kernel = net.drawn(4, 3, 3, 2)
    kernel[1, 2, 0, 1] = np.nan
    found = read_onnx(net.save(tmp_path / "net.onnx", pooled(net, kernel)))
    assert "some weights are NaN" in found.notes


def test_endings(tmp_path: Path) -> None:
    for kind, noted in (("Softmax", True), ("LogSoftmax", True), ("Sigmoid", False)):
        net = Net()
        y = net("Gemm", net("Flatten", "x"), net.drawn(216, 5))
        found = read_onnx(net.save(tmp_path / "net.onnx", net(kind, y)))
        assert ("left out" in str(found.notes)) == noted
        assert (found.graph.nodes[-1].kind == "dense") == noted
    assert "the model ends in sigmoid, not in softmax or logits" in found.notes


def outside(path: Path, location: str, **entries: str) -> Path:
    """A model with the kernel in another file."""
    net = Net()
    kernel = net.drawn(4, 3, 3, 2)
    model = net.model(pooled(net, kernel))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())
    (path.parent / "weights.bin").write_bytes(b"1234" + kernel.tobytes() + b"tail")
    return path


def test_weights_in_a_file_beside(tmp_path: Path) -> None:
    path = outside(tmp_path / "net.onnx", "weights.bin", offset="4", length="288")
    kernel = read_onnx(path).graph.nodes[0].arrays["kernel"]
    np.testing.assert_array_equal(kernel, Net().drawn(4, 3, 3, 2).transpose(2, 3, 1, 0))
    (tmp_path / "link.bin").symlink_to("weights.bin")
    (tmp_path / "folder").mkdir()
    for location, entries, said in (
        ("../weights.bin", {}, "a name inside the model's folder"),
        ("folder/../weights.bin", {}, "a name inside the model's folder"),
        (str(tmp_path / "weights.bin"), {}, "a name inside the model's folder"),
        ("", {}, "a name inside the model's folder"),
        ("link.bin", {}, "is a link"),
        ("folder", {}, "is missing"),
        ("none.bin", {}, "is missing"),
        ("weights.bin", {"offset": "9"}, "has not the 288 bytes from 9 on"),
        ("weights.bin", {"offset": "-4"}, "offset '-4'"),
        ("weights.bin", {"length": "1e3"}, "length '1e3'"),
        ("weights.bin", {"length": "200"}, "has not the 288 bytes"),
    ):
        path = outside(tmp_path / "net.onnx", location, **entries)
        with pytest.raises(ValueError, match=re.escape(said)):
            read_onnx(path)
        assert said in list_onnx(path).rows[0].refused
    path = outside(tmp_path / "net.onnx", "weights.bin", offset="4")
    assert (list_onnx(path).rows[0].parameters, list_onnx(path).rows[0].refused) == (72, "")


# --- refusals -------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Case, str]] = {
    "int8": (
        lambda n: n(
            "DequantizeLinear",
            n("QuantizeLinear", "x", number(0.1), np.array(0, np.int8)),
            number(0.1),
            np.array(0, np.int8),
        ),
        "nquantizelinear_0 (QuantizeLinear): is a QuantizeLinear, which jcnn has no layer for",
    ),
    "no layer": (lambda n: n("LRN", "x", size=3), "nlrn_0 (LRN): is a LRN, which"),
    "one slope a channel": (lambda n: n("PRelu", "x", n.drawn(3, 1, 1)), "has 3 slopes"),
    "a dilated pooling": (
        lambda n: n("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2]),
        "dilations: got (2, 2); accepted: 1",
    ),
    "channels": (lambda n: n("Slice", "x", ints(0), ints(2), ints(1)), "some of the channels"),
    "other padding": (
        lambda n: n("Pad", "x", ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"),
        "mode: got 'reflect'",
    ),
    "a mean of channels": (lambda n: n("ReduceMean", "x", axes=[1]), "axes: got (1,)"),
    "an unknown function": (
        lambda n: n("Erf", "x"),
        "Erf of 'nerf_0' is no function that jcnn has",
    ),
    "corners": (
        lambda n: n(
            "Resize",
            "x",
            "",
            np.array([1, 1, 2, 2], np.float32),
            mode="linear",
            coordinate_transformation_mode="align_corners",
        ),
        "accepted: 'nearest', or 'linear' with 'half_pixel'",
    ),
    "moved channels": (
        lambda n: n(
            "Conv",
            n(
                "Reshape",
                n(
                    "Transpose",
                    n("Reshape", n("Conv", "x", n.drawn(6, 3, 1, 1)), ints(0, 2, 3, 9, 8)),
                    perm=[0, 2, 1, 3, 4],
                ),
                ints(0, 6, 9, 8),
            ),
            n.drawn(2, 6, 1, 1),
        ),
        "in an order that would move channels or pixels",
    ),
    "a window of a map": (
        lambda n: n(
            "AveragePool", n("Pad", "x", ints(0, 0, 0, 0, 0, 0, 99, 99)), kernel_shape=[90, 80]
        ),
        "kernel_shape: got (90, 80); accepted: up to 4,096 cells",
    ),
    "an enlargement without end": (
        lambda n: n("Resize", "x", "", np.array([1, 1, 2**20, 2**20], np.float32)),
        "for one image; accepted: up to 268,435,456 numbers",
    ),
    "two arrays": (
        lambda n: n("MatMul", n("Transpose", "x", perm=[0, 1, 3, 2]), "x"),
        "input 1: depends on the images; accepted: a constant",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_node(name: str, tmp_path: Path) -> None:
    case, said = REFUSED[name]
    net = Net()
    path = net.save(tmp_path / "net.onnx", net("Relu", net("Flatten", case(net))))
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_whole_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    net = Net()
    good = net.model(net("Flatten", net("Conv", "x", net.drawn(4, 3, 3, 2))))

    def refused(said: str, *, shape: tuple[Any, ...] | None = None, **changes: Any) -> None:
        model = onnx.ModelProto()
        model.CopyFrom(good)
        for _ in range(changes.get("inputs", 1) - 1):
            model.graph.input.add().CopyFrom(helper.make_tensor_value_info("y", 1, (1, 2)))
        if changes.get("outputs"):
            model.graph.output.add().CopyFrom(helper.make_tensor_value_info("x", 1, None))
        if shape is not None:
            model.graph.input[0].CopyFrom(
                helper.make_tensor_value_info("x", changes.get("dtype", 1), shape)
            )
        if "domain" in changes:
            model.graph.node[0].domain = changes["domain"]
        if "dims" in changes:
            model.graph.initializer[0].dims[:] = changes["dims"]
        if "opset" in changes:
            model.opset_import[0].version = changes["opset"]
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match=re.escape(said)):
            read_onnx(path)

    refused("has 2 inputs; accepted: one", inputs=2)
    refused("has 2 outputs; accepted: one", outputs=2)
    refused("takes an array of (None, 5); accepted: images", shape=("N", 5))
    refused("takes images of the data type 7", shape=("N", 3, 9, 8), dtype=7)
    refused("is of 'ai.custom', not of ONNX's own", domain="ai.custom")
    refused("has opset 3; accepted: 7 or newer", opset=3)
    refused("has 288 bytes, not 288,000,000,000", dims=(4000, 3000, 3000, 2))
    assert "has 288 bytes" in list_onnx(path).rows[0].refused
    refused("has shape (4, 3, -3, 2)", dims=(4, 3, -3, 2))
    refused("gives (9, 8, 1099511627776) for one image", shape=("N", 2**40, 9, 8))
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        read_onnx(path)
    with pytest.raises(ValueError, match="of an unknown format; accepted: a Keras model"):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.onnx")


def test_what_is_computed_is_limited(tmp_path: Path) -> None:
    """A file of a few bytes may ask for arrays of any size."""
    net = Net()
    big = net("ConstantOfShape", ints(2**32, 216))
    path = net.save(tmp_path / "net.onnx", net("Add", net("Flatten", "x"), big), 17)
    with pytest.raises(ValueError, match="computes an array of"):
        read_onnx(path)


# --- listings -------------------------------------------------------------------------------------


def test_a_listing_goes_on_after_a_refusal(tmp_path: Path) -> None:
    net = Net()
    y = net("Relu", net("Conv", "x", net.drawn(4, 3, 3, 2), net.drawn(4)))
    y = net("Flatten", net("LRN", y, size=3))
    path = net.save(tmp_path / "net.onnx", net("Gemm", y, net.drawn(196, 5)))
    found = list_onnx(path)
    assert found.format == "ONNX, opset 17, by test"
    assert found.input_shape == (9, 8, 3)
    rows = [(row.name, row.kind, row.shape, row.parameters, row.refused) for row in found.rows]
    assert rows == [
        ("nconv_0", "Conv", (4, 7, 7), 76, ""),
        ("nrelu_1", "Relu", (4, 7, 7), 0, ""),
        ("nlrn_2", "LRN", None, 0, "is a LRN, which jcnn has no layer for"),
        ("nflatten_3", "Flatten", None, 0, ""),
        ("ngemm_4", "Gemm", None, 980, ""),
    ]


def test_outputs(tmp_path: Path) -> None:
    """Maps of one pixel are logits; flattened maps in the file's order are not jcnn's."""
    net = Net()
    y = net("Conv", "x", net.drawn(5, 3, 3, 2))
    path = net.save(tmp_path / "net.onnx", net("ReduceMean", y, axes=[2, 3]))
    x = drawn(2, 3, 9, 8)
    want = run(path, x).reshape(2, 5)
    got = logits(load_model(path)[0], x.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)
    net = Net()
    path = net.save(tmp_path / "net.onnx", net("Flatten", net("Relu", "x")))
    with pytest.raises(ValueError, match=r"output: needs the axes of \(N, 216\) in an order"):
        load_model(path)
    assert "refused: output: needs the axes" in str(list_onnx(path).notes)


def test_the_documentation_names_every_operation() -> None:
    page = (ROOT / "docs/interop.md").read_text(encoding="utf-8")
    assert [name for name in READERS if not re.search(rf"\b{name}\b", page)] == []


# --- damage ---------------------------------------------------------------------------------------


def result(path: Path, x: np.ndarray) -> str:
    """What came of a damaged file: "refused", "read", or "right" if onnxruntime says the same."""
    try:
        model, meta = load_model(path)
    except ValueError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 600
        return "refused"
    try:
        onnx.checker.check_model(str(path), full_check=True)
        want = run(path, x)
    except Exception:  # it has many kinds of errors
        return "read"
    if x.shape[1:] != meta.input_shape or want.shape != (1, meta.classes):
        return "read"
    scale = 255 if meta.preprocessing is not None else 1
    got = np.asarray(model_input(model, jnp.asarray(x / np.float32(scale))))
    got = np.asarray(eval_mode(model)(got))
    finite = np.isfinite(want)
    np.testing.assert_allclose(got[finite], want[finite], rtol=1e-4, atol=1e-4)
    return "right"


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_damaged_files(count: int, tmp_path: Path) -> None:
    net = Net(("N", 9, 8, 3))
    good = net.model(as_keras_exports(net)).SerializeToString()
    rng = np.random.default_rng(count)
    path = tmp_path / "net.onnx"
    x = 255 * drawn(1, 9, 8, 3)
    results: list[str] = []
    for _ in range(count):
        content = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(content)))
            match rng.integers(4):
                case 0:
                    content[at] = rng.integers(256)
                case 1:
                    content[at] ^= 1 << rng.integers(8)
                case 2:
                    del content[at : at + rng.integers(1, 9)]
                case 3:
                    content[at:at] = rng.bytes(int(rng.integers(1, 9)))
        path.write_bytes(content)
        results.append(result(path, x))
    assert {"refused", "right"} <= set(results)
