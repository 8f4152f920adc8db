"""The arithmetic of the page against NumPy float64, layer by layer, and the inputs of each unit."""

import json
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page

from jcnn import ops
from tests.explore.built import Layer, conv, plain, pool
from tests.explore.kit import REVIVED
from tests.explore.scripts import joined_files
from tests.ops.conv import oracle

# JavaScript and NumPy differ only by rounding of float64: a few hundred terms of magnitude one.
TOLERANCE = 1e-12


@pytest.fixture
def kit(browser_page: Callable[[str], Page]) -> Page:
    """A page with only the arithmetic."""
    script = joined_files("terms.js", "tolerances.js").replace("</", "<\\/") + f";{REVIVED}"
    names = "{runLayer, tolerances, termsOf, sourcesOf, erfc, revived}"
    ready = f"globalThis.kit = {names}; document.body.dataset.ready = 'true';"
    return browser_page(f"<body><script>{script}; {ready}</script>")


def asked(kit: Page, layer: Layer, x: npt.NDArray[Any], ask: str) -> Any:
    """Evaluate a JavaScript expression of `layer` and `x`."""
    arrays = {
        name: {"data": np.asarray(a, np.float32).ravel().tolist(), "shape": list(a.shape)}
        for name, a in layer.get("arrays", {}).items()
    }
    answer = f"layer = kit.revived(layer); x = Float64Array.from(x); return {ask};"
    return kit.evaluate(
        f"([layer, x]) => {{ {answer} }}",
        [json.loads(json.dumps({**layer, "arrays": arrays})), x.ravel().tolist()],
    )


def output(kit: Page, layer: Layer, x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(asked(kit, layer, x, "Array.from(kit.runLayer(layer, x))"))


def drawn(seed: int, *shape: int) -> npt.NDArray[np.float64]:
    """Normal numbers that are exact in float32."""
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return values.astype(np.float64)


CONVS: list[tuple[tuple[int, int, int], tuple[int, int, int, int], dict[str, Any]]] = [
    ((7, 6, 1), (3, 3, 1, 2), {"padding": ((1, 1), (1, 1))}),
    ((8, 9, 3), (2, 4, 3, 5), {"padding": ((0, 1), (2, 1)), "stride": (2, 3)}),
    ((9, 11, 4), (3, 2, 2, 6), {"groups": 2, "dilation": (2, 3), "padding": ((2, 0), (0, 3))}),
    ((6, 10, 3), (1, 5, 1, 6), {"groups": 3, "stride": (1, 2), "padding": ((0, 0), (4, 1))}),
]


@pytest.mark.parametrize(("shape", "kernel_shape", "settings"), CONVS)
def test_a_convolution(
    kit: Page,
    shape: tuple[int, int, int],
    kernel_shape: tuple[int, int, int, int],
    settings: dict[str, Any],
) -> None:
    x, kernel, bias = drawn(1, *shape), drawn(2, *kernel_shape), drawn(3, kernel_shape[3])
    layer = conv("c", shape, kernel, bias, **settings)
    wanted = oracle.conv2d(x[None], kernel, bias, **{"padding": "VALID", **settings})[0]
    assert list(wanted.shape) == layer["out"]
    ours = output(kit, layer, x)
    np.testing.assert_allclose(ours, wanted.ravel(), rtol=0, atol=TOLERANCE)
    terms = oracle.conv2d(abs(x[None]), abs(kernel), abs(bias), **{"padding": "VALID", **settings})[
        0
    ]
    allowed = asked(kit, layer, x, "Array.from(kit.tolerances(layer, [x]))")
    np.testing.assert_allclose(allowed, 1e-5 * np.maximum(1, terms.ravel()), rtol=1e-9)

    for unit in (0, wanted.size // 2 + 1, wanted.size - 1):
        one = np.zeros(wanted.size)
        one[unit] = 1
        by_x, by_kernel, _ = oracle.conv2d_gradients(
            x[None], kernel, one.reshape(1, *wanted.shape), **{"padding": "VALID", **settings}
        )
        sources = asked(kit, layer, x, f"kit.sourcesOf(layer, {unit})")
        assert sources == np.flatnonzero(by_x).tolist()
        taken = asked(kit, layer, x, f"kit.termsOf(layer, x, {unit})")
        assert taken["result"] == ours[unit]  # bit for bit
        inside = [term for term in taken["terms"] if term["source"] >= 0]
        assert sorted(term["source"] for term in inside) == sources
        _, filters = kernel_shape[2], kernel_shape[3]
        first = unit % filters // (filters // settings.get("groups", 1)) * kernel_shape[2]
        for term in taken["terms"]:
            place = (term["row"], term["column"], term["channel"] - first, unit % filters)
            assert term["weight"] == kernel[place]
            assert term["product"] == term["weight"] * term["value"]
            # The derivative with respect to a weight is the value under it, zero in the padding.
            assert term["value"] == by_kernel[place]
            if term["source"] >= 0:
                assert term["value"] == x.ravel()[term["source"]]
                assert term["source"] % shape[2] == term["channel"]


POOLS = [
    ((6, 7, 3), (2, 3), None, ((0, 0), (0, 0))),
    ((7, 5, 2), (3, 2), (2, 1), ((1, 2), (1, 0))),
]


def test_a_convolution_of_numbers_that_are_none(kit: Page) -> None:
    """Zero times infinity is NaN, although other zeros are skipped in the sum."""
    kernel = drawn(8, 2, 2, 1, 3)
    kernel[1, 0, 0, 1], kernel[0, 0, 0, 2] = np.inf, np.nan
    layer = conv("conv", (3, 3, 1), kernel)
    x = np.zeros((3, 3, 1))
    x[0, 2, 0] = 1.5
    found = asked(kit, layer, x, "Array.from(kit.runLayer(layer, x), String)")
    wanted = oracle.conv2d(x[None], kernel, padding="VALID")[0].ravel()
    np.testing.assert_array_equal(np.array(found, np.float64), wanted)
    assert np.isnan(wanted).any()


@pytest.mark.parametrize(("shape", "window", "stride", "padding"), POOLS)
def test_pooling(kit: Page, shape: Any, window: Any, stride: Any, padding: Any) -> None:
    # Negative numbers, so that zeros in the padding would be the maximum.
    x = -abs(drawn(4, *shape)) - 1
    for kind, wanted_of in (
        ("max_pool", oracle.max_pool2d),
        ("average_pool", oracle.avg_pool2d),
    ):
        layer = pool(kind, shape, window, stride=stride, padding=padding)
        wanted = wanted_of(x[None], window, stride=stride, padding=padding)[0]
        ours = output(kit, layer, x)
        np.testing.assert_allclose(ours, wanted.ravel(), rtol=0, atol=TOLERANCE)
        for unit in (0, wanted.size - 2):
            reads = []
            for i in range(x.size):  # increasing a cell changes the output if it is read
                larger = x.ravel().copy()
                larger[i] += 100
                y = wanted_of(larger.reshape(1, *shape), window, stride=stride, padding=padding)
                reads += [i] if y.ravel()[unit] != wanted.ravel()[unit] else []
            assert asked(kit, layer, x, f"kit.sourcesOf(layer, {unit})") == reads
            taken = asked(kit, layer, x, f"kit.termsOf(layer, x, {unit})")
            assert taken["result"] == ours[unit]
            total = sum(term["product"] for term in taken["terms"])
            assert total == pytest.approx(ours[unit], abs=TOLERANCE)


def test_the_largest_of_numbers_that_are_none_or_infinite(kit: Page) -> None:
    """NaN in every position, before and after larger numbers, as in `max_pool2d`."""
    layer = pool("max_pool", (2, 3, 1), (2, 3))
    for place in range(6):
        x = np.array([3.0, -1, 5, 2, 7, 4]).reshape(2, 3, 1)
        x.flat[place] = np.nan
        assert asked(kit, layer, x, "Array.from(kit.runLayer(layer, x), String)") == ["NaN"]
        assert np.isnan(ops.max_pool2d(jnp.asarray(x[None], jnp.float32), (2, 3))).all()
    x = np.array([-np.inf, -np.inf, -np.inf, 1.0, np.inf, -2.0]).reshape(2, 3, 1)
    layer = pool("max_pool", (2, 3, 1), (1, 3))
    found = asked(kit, layer, x, "Array.from(kit.runLayer(layer, x), String)")
    assert found == ["-Infinity", "Infinity"]


def test_dense(kit: Page) -> None:
    x, kernel, bias = drawn(5, 37), drawn(6, 37, 4), drawn(7, 4)
    layer = plain("d", "dense", [37], [4], arrays={"kernel": kernel, "bias": bias})
    wanted = oracle.dense(x[None], kernel, bias)[0]
    ours = output(kit, layer, x)
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=TOLERANCE)
    taken = asked(kit, layer, x, "kit.termsOf(layer, x, 2)")
    assert taken["result"] == ours[2]
    assert [term["weight"] for term in taken["terms"]] == kernel[:, 2].tolist()
    assert taken["bias"] == bias[2]
    assert asked(kit, layer, x, "kit.sourcesOf(layer, 2)") == list(range(37))


FUNCTIONS: dict[str, Callable[[float], float]] = {
    "relu": lambda v: max(v, 0.0),
    "relu6": lambda v: min(max(v, 0.0), 6.0),
    "leaky_relu": lambda v: v if v > 0 else 0.3 * v,
    "elu": lambda v: v if v > 0 else math.exp(v) - 1,
    "selu": lambda v: 1.0507009873554805 * (v if v > 0 else 1.6732632423543772 * math.expm1(v)),
    "gelu": lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2,
    "gelu_tanh": lambda v: (
        0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))
    ),
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "tanh": math.tanh,
    "silu": lambda v: v / (1 + math.exp(-v)),
    "softplus": lambda v: math.log(1 + math.exp(v)),
    "mish": lambda v: v * math.tanh(math.log(1 + math.exp(v))),
    "hard_sigmoid": lambda v: min(max(v / 6 + 0.5, 0.0), 1.0),
    "hard_swish": lambda v: v * min(max(v / 6 + 0.5, 0.0), 1.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_activations(kit: Page, name: str) -> None:
    x = np.concatenate([drawn(8, 40) * 3, [0.0, -0.0, 8.0, -8.0, 30.0, -30.0]])
    layer = plain("a", "activation", [x.size], function=name, slope=0.3)
    wanted = [FUNCTIONS[name](float(v)) for v in x]
    np.testing.assert_allclose(output(kit, layer, x), wanted, rtol=1e-13, atol=1e-13)
    assert asked(kit, layer, x, "kit.sourcesOf(layer, 3)") == [3]


def test_the_complementary_error_function(kit: Page) -> None:
    points = np.concatenate([np.linspace(-7, 7, 141), np.linspace(7, 26, 39), [1e-300, 1.9999]])
    ours = kit.evaluate("(points) => points.map(kit.erfc)", points.tolist())
    np.testing.assert_allclose(ours, [math.erfc(v) for v in points], rtol=2e-13, atol=0)


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh"])
def test_the_tail_of_gelu(kit: Page, name: str) -> None:
    """A relative tolerance, where 1 + erf and 1 + tanh would lose all digits."""
    x = np.array([-2.0, -4.5, -8, -8.5, -12, -20, -37, -60, 8.5, 60])
    if name == "gelu":
        wanted = [v / 2 * math.erfc(-v / math.sqrt(2)) for v in x]
    else:
        inner = np.sqrt(8 / np.pi) * (x + 0.044715 * x**3)
        wanted = list(x * np.exp(-np.logaddexp(0, -inner)))
    layer = plain("a", "activation", [x.size], function=name)
    np.testing.assert_allclose(output(kit, layer, x), wanted, rtol=1e-12, atol=1e-300)


def test_gelu_of_infinities(kit: Page) -> None:
    layer = plain("a", "activation", [3], function="gelu")
    y = kit.evaluate(
        "(layer) => Array.from(kit.runLayer(layer, [-Infinity, Infinity, NaN]), String)", layer
    )
    wanted = ops.gelu(jnp.array([-np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(np.array(y, np.float64), wanted)


def test_softmax_over_the_last_axis(kit: Page) -> None:
    x = drawn(9, 2, 3, 4) * 5 + 800  # exp(800) is too large for float64
    layer = plain("s", "activation", [2, 3, 4], function="softmax")
    np.testing.assert_allclose(output(kit, layer, x), oracle.softmax(x).ravel(), atol=TOLERANCE)
    assert asked(kit, layer, x, "kit.sourcesOf(layer, 6)") == [4, 5, 6, 7]
    taken = asked(kit, layer, x, "kit.termsOf(layer, x, 6)")
    assert taken["result"] == pytest.approx(oracle.softmax(x).ravel()[6], abs=TOLERANCE)


def test_batch_norm(kit: Page) -> None:
    x, variance = drawn(10, 3, 2, 4), abs(drawn(11, 4))
    scale, offset, mean = drawn(12, 4), drawn(13, 4), drawn(14, 4)
    arrays = {"scale": scale, "offset": offset, "mean": mean, "variance": variance}
    layer = plain("b", "batch_norm", [3, 2, 4], epsilon=1e-3, arrays=arrays)
    wanted = ((x - mean) / np.sqrt(variance + 1e-3) * scale + offset).ravel()
    ours = output(kit, layer, x)
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=TOLERANCE)
    taken = asked(kit, layer, x, "kit.termsOf(layer, x, 9)")
    assert taken["result"] == ours[9]
    assert taken["terms"][0]["product"] + taken["bias"] == pytest.approx(ours[9], abs=TOLERANCE)


@pytest.mark.parametrize("kind", ["flatten", "dropout"])
def test_what_changes_nothing(kit: Page, kind: str) -> None:
    x = drawn(15, 2, 3, 2)
    layer = plain("f", kind, [2, 3, 2], [12], rate=0.5)
    assert output(kit, layer, x).tolist() == x.ravel().tolist()
    assert asked(kit, layer, x, "kit.sourcesOf(layer, 7)") == [7]
