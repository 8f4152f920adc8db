"""How long is a training step of `conv4` at batch 64, against PyTorch's?

    python -m benchmarks.conv4_step [--rounds 12]

Forward, backward, Adam, dropout and metrics, float32, each library in a process of its own, in
turn. PyTorch (`pip install torch==2.13.0`) runs the same model in both of its layouts. Before
timing, both get the same parameters and pictures, and their losses and gradients (dropout off)
must agree to 1e-4.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jcnn.bench.pairs import Setup, machine, time_in_turn

BATCH = 64
CONVOLUTIONS = ((1, 32), (32, 64), (64, 64), (64, 128))
FLAT, CLASSES = 7 * 7 * 128, 10


def inputs() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Pictures uint8 NHWC, labels, and the ten parameters in the order of the layers (HWIO)."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, 28, 28, 1)).astype(np.uint8)
    labels = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    parameters = []
    for channels, filters in CONVOLUTIONS:
        parameters.append(rng.normal(0, (2 / (9 * channels)) ** 0.5, (3, 3, channels, filters)))
        parameters.append(rng.normal(0, 0.1, filters))
    parameters.append(rng.normal(0, FLAT**-0.5, (FLAT, CLASSES)))
    parameters.append(np.zeros(CLASSES))
    return images, labels, [p.astype(np.float32) for p in parameters]


def jcnn_step() -> tuple[Callable[[], None], Any]:
    """Jcnn's step, compiled as `fit` compiles it, but run one by one."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from jcnn import ops
    from jcnn.compile import jit
    from jcnn.config import TrainConfig
    from jcnn.data.batches import normalise
    from jcnn.layers import evaluating, take_apart, training
    from jcnn.metrics import zero_totals
    from jcnn.models import build
    from jcnn.programs import first_state, training_step

    images, labels, parameters = inputs()
    model = build("conv4")
    layers = [model.conv2d, model.conv2d_1, model.conv2d_2, model.conv2d_3, model.dense]
    for layer, kernel, bias in zip(layers, parameters[::2], parameters[1::2], strict=True):
        layer.kernel[...], layer.bias[...] = jnp.asarray(kernel), jnp.asarray(bias)
    x, y = jnp.asarray(images), jnp.asarray(labels)

    still = take_apart(evaluating(model))

    def loss(params: Any) -> jax.Array:
        logits = nnx.merge(still.graphdef, params, still.streams, still.rest)(normalise(x))
        return jnp.mean(ops.cross_entropy(logits, y))

    value, gradients = jit(jax.value_and_grad(loss))(still.params)
    answer = [value.item()]
    for layer in ("conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "dense"):
        answer.append(float(jnp.linalg.norm(gradients[layer]["kernel"][...])))
        answer.append(float(jnp.linalg.norm(gradients[layer]["bias"][...])))

    parts = take_apart(training(model))
    params = jax.tree.map(jnp.copy, parts.params)
    config = TrainConfig(batch_size=BATCH)
    made = training_step(parts.graphdef, parts.streams, config, steps=1, classes=CLASSES)
    step = jit(made, donate_argnums=(0,))
    carry = [(first_state(params, parts.rest, config), zero_totals())]
    key, count, rate = jax.random.key(0), jnp.int32(0), jnp.float32(1e-3)

    def run() -> None:
        carry[0] = step(carry[0], x, y, key, count, rate)
        jax.block_until_ready(carry[0])

    return run, answer


def torch_step(*, channels_last: bool) -> tuple[Callable[[], None], Any]:
    """PyTorch's step, eager, as its tutorials write it."""
    import torch
    from torch import nn

    layout = torch.channels_last if channels_last else torch.contiguous_format
    images, labels, parameters = inputs()
    convolutions = [nn.Conv2d(c, f, 3, padding=1) for c, f in CONVOLUTIONS]
    dense = nn.Linear(FLAT, CLASSES)
    with torch.no_grad():
        pairs = zip(parameters[:8:2], parameters[1:8:2], strict=True)
        for conv, (kernel, bias) in zip(convolutions, pairs, strict=True):
            conv.weight.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))
            conv.bias.copy_(torch.from_numpy(bias))
        # Ours flattens H, W, C; PyTorch's model flattens C, H, W.
        matrix = torch.from_numpy(parameters[8]).reshape(7, 7, 128, CLASSES).permute(3, 2, 0, 1)
        dense.weight.copy_(matrix.reshape(CLASSES, FLAT))
        dense.bias.copy_(torch.from_numpy(parameters[9]))
    drop = [nn.Dropout(0.5) for _ in range(3)]
    model = nn.Sequential(
        *(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), nn.MaxPool2d(2), drop[0]),
        *(convolutions[2], nn.ReLU(), convolutions[3], nn.ReLU(), nn.MaxPool2d(2), drop[1]),
        *(nn.Flatten(), drop[2], dense),
    ).to(memory_format=layout)
    raw = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    y = torch.from_numpy(labels).long()

    model.eval()
    value = nn.functional.cross_entropy(model(raw.float() / 255), y)
    value.backward()
    answer = [value.item()]
    for layer in (*convolutions, dense):
        answer += [float(p.grad.norm()) for p in (layer.weight, layer.bias)]

    model.train()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)

    def run() -> None:
        adam.zero_grad()
        logits = model(raw.float() / 255)
        loss = nn.functional.cross_entropy(logits, y)
        loss.backward()
        adam.step()
        (logits.argmax(1) == y).sum().item()
        loss.item()

    return run, answer


def main() -> None:
    """Time the steps in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    contestants: dict[str, Setup] = {
        "jcnn": jcnn_step,
        "PyTorch, NCHW": partial(torch_step, channels_last=False),
        "PyTorch, channels_last": partial(torch_step, channels_last=True),
    }
    timings = time_in_turn(contestants, rounds=rounds, runs=10)
    print(machine("jax", "flax", "torch"))
    ours = timings["jcnn"]
    for name, timing in timings.items():
        np.testing.assert_allclose(timing.answer, ours.answer, rtol=1e-4, err_msg=name)
        print(timing.line(name), f" jcnn / it: {ours.median / timing.median:.2f}")


if __name__ == "__main__":
    main()
