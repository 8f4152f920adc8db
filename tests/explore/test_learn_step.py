"""Steps of a training in the page, against JAX's gradients and Optax's updates in float64."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from playwright.sync_api import Page

from tests.explore.built import Layer, conv, plain, pool
from tests.explore.kit import kit_page
from tests.explore.small import drawn

Params = list[dict[str, jax.Array]]
AXES = ("NHWC", "HWIO", "NHWC")
FUNCTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {"relu": jax.nn.relu, "tanh": jnp.tanh}


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the functions."""
    names = "makeCourse, learnBatch, trainingMask, initialWeights, makeService"
    files = ("learn_service.js", "learn_weights.js", "learn_example.js")
    with kit_page(kit_tab, names, *files) as page:
        yield page


def dense(name: str, inputs: int, units: int, seed: int, bias: bool = True) -> Layer:
    arrays = {"kernel": 0.3 * drawn(seed, inputs, units)}
    arrays |= {"bias": drawn(seed + 1, units)} if bias else {}
    return plain(name, "dense", [inputs], [units], arrays=arrays)


def strided() -> list[Layer]:
    """Asymmetric shapes, strides, padding and dilation; overlapping windows; dropout."""
    first = conv(
        "first",
        (9, 7, 2),
        0.4 * drawn(1, 3, 2, 2, 5),
        drawn(2, 5),
        stride=(2, 1),
        padding=((1, 0), (2, 1)),
        dilation=(1, 2),
    )
    shape = tuple(first["out"])
    pooled = pool("max_pool", shape, (3, 2), stride=(1, 2), padding=((1, 1), (0, 1)))
    second = conv("second", tuple(pooled["out"]), 0.3 * drawn(3, 2, 3, 5, 4), stride=(1, 2))
    size = int(np.prod(second["out"]))
    return [
        first,
        plain("relu", "activation", first["out"], function="relu"),
        pooled,
        plain("thinned", "spatial_dropout", pooled["out"], rate=0.3),
        second,
        plain("tanh", "activation", second["out"], function="tanh"),
        plain("flatten", "flatten", second["out"], [size]),
        plain("dropout", "dropout", [size], rate=0.4),
        dense("dense", size, 3, 5),
        plain("softmax", "softmax", [3]),
    ]


def branched() -> list[Layer]:
    """A standardised picture, groups, a skip connection, a concatenation, average pooling."""
    shape = (5, 6, 4)
    mean, variance = 0.5 + 0.1 * drawn(9, 2), 0.3 + drawn(8, 2) ** 2
    arrays = {"mean": mean, "variance": variance, "scale": np.ones(2), "offset": np.zeros(2)}
    picture = [5, 6, 2]
    same: Any = {"padding": ((1, 1), (1, 1))}
    first = conv("first", (5, 6, 2), 0.5 * drawn(1, 3, 3, 1, 4), drawn(2, 4), groups=2, **same)
    second = conv("second", shape, 0.3 * drawn(3, 3, 3, 4, 4), **same)
    joined = [5, 6, 8]
    pooled = pool("average_pool", (5, 6, 8), (2, 3), padding=((1, 0), (0, 0)))
    size = int(np.prod(pooled["out"]))
    return [
        plain("standardise", "batch_norm", picture, epsilon=0.0, arrays=arrays),
        first,
        second,
        plain("add", "add", [*shape], inputs=[2, 3], ins=[shape, shape]),
        plain("both", "concatenate", [*shape], joined, inputs=[4, 2], ins=[shape, shape]),
        plain("tanh", "activation", joined, function="tanh"),
        pooled,
        plain("flatten", "flatten", pooled["out"], [size]),
        dense("hidden", size, 7, 4, bias=False),
        plain("relu", "activation", [7], function="relu"),
        dense("dense", 7, 3, 6),
        plain("softmax", "softmax", [3]),
    ]


def logits(layers: list[Layer], params: Params, x: Any, masks: dict[int, Any]) -> Any:
    """By JAX, for images `x (N, H, W, C)`; `masks[i] (N, parts)` are those of layer i."""
    values = [x]
    for i, layer in enumerate(layers[:-1]):
        xs = [values[one] for one in layer.get("inputs", [i])]
        values.append(_run(layer, params[i], xs, masks.get(i)))
    return values[-1]


def _run(layer: Layer, arrays: dict[str, jax.Array], xs: list[Any], mask: Any) -> Any:
    kind, x = layer["kind"], xs[0]
    if kind == "conv":
        y = lax.conv_general_dilated(
            x,
            arrays["kernel"],
            layer["stride"],
            layer["padding"],
            rhs_dilation=layer["dilation"],
            dimension_numbers=AXES,
            feature_group_count=layer["groups"],
        )
        return y + arrays.get("bias", 0)
    if kind == "dense":
        return x @ arrays["kernel"] + arrays.get("bias", 0)
    if kind in ("max_pool", "average_pool"):
        window = (1, *layer["window"], 1)
        places = (window, (1, *layer["stride"], 1), [(0, 0), *layer["padding"], (0, 0)])
        if kind == "max_pool":
            return lax.reduce_window(x, -jnp.inf, lax.max, *places)
        counts = lax.reduce_window(jnp.ones_like(x), 0.0, lax.add, *places)
        return lax.reduce_window(x, 0.0, lax.add, *places) / counts
    if kind == "batch_norm":
        return (x - layer["arrays"]["mean"]) / np.sqrt(layer["arrays"]["variance"])
    if kind == "activation":
        return FUNCTIONS[layer["function"]](x)
    if kind in ("dropout", "spatial_dropout"):
        parts = mask.reshape(len(x), *(1,) * (x.ndim - 2), -1)
        return x * parts / (1 - layer["rate"])
    if kind == "flatten":
        return x.reshape(len(x), -1)
    return xs[0] + xs[1] if kind == "add" else jnp.concatenate(xs, -1)


@cache
def value_and_gradients(build: Callable[[], list[Layer]]) -> Callable[..., tuple[Any, Params]]:
    """The compiled loss of a batch of three and its gradients; an example of weight 0 is none."""
    layers = build()

    def loss(params: Params, x: Any, labels: Any, masks: dict[int, Any], present: Any) -> Any:
        scores = logits(layers, params, x, masks)
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, labels)
        return (losses * present).sum() / present.sum()

    return jax.jit(jax.value_and_grad(loss))


def described(layers: list[Layer]) -> list[Any]:
    """The layers as JSON, chained unless they say otherwise."""
    given = []
    for i, layer in enumerate(layers):
        arrays = {
            name: {"data": np.ravel(array).tolist(), "shape": list(np.shape(array))}
            for name, array in layer.get("arrays", {}).items()
        }
        given.append({"inputs": [i], **layer, "arrays": arrays})
    found: list[Any] = json.loads(json.dumps(given))
    return found


STEPS = """([layers, pictures, labels, settings, count, watch]) => {
  layers = layers.map((layer) => ({ ...layer, arrays: Object.fromEntries(
    Object.entries(layer.arrays).map(([name, { data, shape }]) =>
      [name, { data: Float64Array.from(data), shape }])) }));
  const course = makeCourse({ layers, scale: 255, pictures, labels, settings, watch });
  const lists = (all) => all.map((arrays) => Object.fromEntries(
    Object.entries(arrays).map(([name, numbers]) => [name, Array.from(numbers)])));
  return Array.from({ length: count }, () => {
    for (const parts = learnBatch(course); !parts.next().done;);
    const { batch, gradients, model, watched } = course;
    const masks = {};
    model.layers.forEach((layer, i) => {
      if (!/dropout/.test(layer.kind)) return;
      const seeds = (n) => [settings.seed, course.step - 1, n];
      masks[i] = batch.map((_, n) => Array.from(trainingMask(layer, i, seeds(n))));
    });
    const weights = model.layers.map(({ arrays }, i) => Object.fromEntries(
      Object.keys(gradients[i]).map((name) => [name, arrays[name].data])));
    return { batch, watched, masks, loss: course.steps.at(-1).loss,
      gradients: lists(gradients), weights: lists(weights) };
  });
}"""

RULES = {
    "sgd": (0.3, optax.sgd(0.3)),
    "momentum": (0.02, optax.sgd(0.02, momentum=0.9)),
    "adam": (0.02, optax.adam(0.02)),
}


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        pytest.param(strided, "sgd", marks=pytest.mark.slow),
        (strided, "adam"),
        (branched, "momentum"),
        pytest.param(branched, "adam", marks=pytest.mark.slow),
    ],
)
def test_steps_are_those_of_jax_and_optax(
    kit: Page, build: Callable[[], list[Layer]], rule: str
) -> None:
    """Loss, all gradients and all parameters after each of four steps, over the end of an epoch."""
    layers = build()
    shape = layers[0]["in"]
    rate, optimizer = RULES[rule]
    pictures = np.random.default_rng(1).integers(0, 256, (10, *shape), dtype=np.uint8)
    labels = [2, 0, 1, 1, 2, 0, 2, 1, 0, 0]
    settings = {"batch": 3, "rate": rate, "optimizer": rule, "seed": 7, "use": "packed"}
    index = next(i for i, layer in enumerate(layers) if layer["kind"] == "conv")
    watch = {"layer": index, "name": "kernel", "at": 11}
    flat = pictures.reshape(10, -1).tolist()
    steps = kit.evaluate(STEPS, [described(layers), flat, labels, settings, 4, watch])
    assert [len(step["batch"]) for step in steps] == [3, 3, 2, 3]  # eight are learned, two held out
    learned = sorted(example["n"] for step in steps[:3] for example in step["batch"])
    assert learned == [*range(8)]
    scaled = (pictures.astype(np.float32) / np.float32(255)).astype(np.float64)
    with jax.enable_x64(True):
        trained = ("conv", "dense")
        params: Params = [
            jax.tree.map(jnp.asarray, layer.get("arrays", {}) if layer["kind"] in trained else {})
            for layer in layers
        ]
        state = optimizer.init(params)
        before = params
        for step in steps:
            rows = [example["n"] for example in step["batch"]]
            three = np.resize(np.arange(len(rows)), 3)
            x, y = scaled[rows][three], np.array(labels)[rows][three]
            masks = {int(i): np.array(mask, float)[three] for i, mask in step["masks"].items()}
            present = np.arange(3) < len(rows)
            value, gradients = value_and_gradients(build)(params, x, y, masks, present)
            updates, state = optimizer.update(gradients, state)
            before = params
            params = jax.tree.map(jnp.add, params, updates)
            assert step["loss"] == pytest.approx(float(value), rel=1e-10)
            _same(step["gradients"], gradients)
            _same(step["weights"], params)
            kernel = np.ravel(before[index]["kernel"])[11], np.ravel(params[index]["kernel"])[11]
            watched = step["watched"]
            found = watched["before"]["weight"], watched["after"]["weight"]
            assert found == pytest.approx(kernel, rel=1e-8)
            mean = float(np.ravel(gradients[index]["kernel"])[11])
            assert watched["gradient"] == pytest.approx(mean, rel=1e-8, abs=1e-12)
            shares = [example["share"] for example in step["batch"]]
            assert np.mean(shares) == pytest.approx(mean, rel=1e-8, abs=1e-12)


def _same(ours: list[dict[str, list[float]]], theirs: Params) -> None:
    """Equal to 1e-9 of the largest number of each array; none is zero everywhere."""
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.keys() == wanted.keys()
        for name, numbers in mine.items():
            array = np.ravel(wanted[name])
            size = abs(array).max()
            assert size > 1e-4
            np.testing.assert_allclose(numbers, array, rtol=0, atol=1e-9 * size)


def test_masks_of_steps_and_examples_differ(kit: Page) -> None:
    layer = plain("d", "dropout", [400], rate=0.25)
    draw = (
        "(l) => [[3, 0, 0], [3, 0, 1], [3, 1, 0], [4, 0, 0]].map((s) => [...trainingMask(l, 2, s)])"
    )
    masks = np.array(kit.evaluate(draw, layer))
    assert abs(masks.mean(1) - 0.75).max() < 0.08
    agree = (masks[:, None] == masks[None]).mean(-1)
    chance = 0.75**2 + 0.25**2
    assert abs(agree[~np.eye(4, dtype=bool)] - chance).max() < 0.1
    assert (np.array(kit.evaluate(draw, layer)) == masks).all()


def weights(kit: Page, layers: list[Layer], initializer: str, seed: int) -> list[Any]:
    draw = """([layers, initializer, seed]) => initialWeights(layers, initializer, seed)
      .map((arrays) => Object.fromEntries(
        Object.entries(arrays).map(([name, numbers]) => [name, Array.from(numbers)])))"""
    found: list[Any] = kit.evaluate(draw, [described(layers), initializer, seed])
    return found


@pytest.mark.parametrize(
    "initializer",
    ["glorot_uniform", "he_normal", pytest.param("he_uniform", marks=pytest.mark.slow)],
)
def test_initial_weights_are_distributed_as_jaxs(kit: Page, initializer: str) -> None:
    """The same bounds, and the same quantiles as jax.nn.initializers, in both kinds of layers."""
    kernel = (3, 5, 8, 20)
    layers = [conv("c", (9, 9, 8), drawn(1, *kernel), drawn(2, 20)), dense("d", 90, 40, 3)]
    found = weights(kit, layers, initializer, 1)
    draw = getattr(jax.nn.initializers, initializer)()
    for arrays, shape in zip(found, (kernel, (90, 40)), strict=True):
        ours = np.array(arrays["kernel"])
        theirs = np.ravel(draw(jax.random.key(0), shape))
        assert ours.size == theirs.size
        shares = np.linspace(0.02, 0.98, 25)
        spread = theirs.std()
        differences = np.quantile(ours, shares) - np.quantile(theirs, shares)
        assert abs(differences).max() < 0.12 * spread
        assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.02)
        assert arrays["bias"] == [0.0] * shape[-1]
    again, other = weights(kit, layers, initializer, 1), weights(kit, layers, initializer, 2)
    assert again == found
    assert other[0]["kernel"] != found[0]["kernel"]


def test_a_training_that_diverges_stops_and_starts_anew(kit: Page) -> None:
    """By messages, as in a worker that never rests."""
    serve = """async ([layers, pictures, labels, settings, watch]) => {
      layers = layers.map((layer) => ({ ...layer, arrays: Object.fromEntries(
        Object.entries(layer.arrays).map(([name, { data, shape }]) =>
          [name, { data: Float64Array.from(data), shape }])) }));
      const reports = [];
      const send = makeService((report) => reports.push(report), () => null);
      const after = async (name, value) => {
        send([name, value]);
        await new Promise((done) => setTimeout(done));
        const { running, run, step, trouble, steps, scores } = reports.at(-1);
        const losses = steps.map(({ loss }) => String(loss));
        return { running, run, step, trouble, losses, scores };
      };
      return [
        await after("open", { layers, scale: 255, pictures, labels, settings, watch }),
        await after("go", "on"),
        await after("settings", { rate: 0.01 }),
        await after("weights", initialWeights(layers, "he_normal", 1)),
        await after("go", "epoch"),
      ];
    }"""
    layers = strided()
    pictures = np.random.default_rng(1).integers(0, 256, (10, 126), dtype=np.uint8).tolist()
    settings = {"batch": 4, "rate": 1e300, "optimizer": "sgd", "seed": 0, "use": "packed"}
    watch = {"layer": 0, "name": "kernel", "at": 0}
    labels = [i % 3 for i in range(10)]
    opened, diverged, _, anew, learned = kit.evaluate(
        serve, [described(layers), pictures, labels, settings, watch]
    )
    assert (opened["step"], opened["trouble"], len(opened["scores"])) == (0, None, 1)
    assert diverged["trouble"] == "diverged"
    assert diverged["losses"][-1] in ("NaN", "Infinity")
    assert not diverged["running"]
    assert (anew["run"], anew["step"], anew["trouble"]) == (1, 0, None)
    assert (learned["step"], learned["running"], len(learned["losses"])) == (2, False, 2)
    assert learned["scores"][0]["held"] in (0, 0.5, 1)
