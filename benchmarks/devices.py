"""What do several devices cost on a machine that has one?

    python -m benchmarks.devices [--rounds 5] [--models conv2pool conv4]

Times epochs of 8 steps as `fit` runs them, each contestant in a process of its own, in alternation:
one device; a mesh of one device; and meshes of simulated devices, which share the machine's cores.
So the overhead is measured, not the gain. Before timing, the losses must agree to 1e-3.
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

from jcnn.bench.processes import Setup, machine, time_in_turn

STEPS, BATCH, SHAPE = 8, 64, (28, 28, 1)


def epoch(model: str, devices: int, *, mesh: bool) -> tuple[Callable[[], None], float]:
    """An epoch of the compiled program that `fit` calls.

    Args:
        model: name in the zoo.
        devices: simulated devices.
        mesh: whether they are a mesh; one device needs none.
    """
    import jax

    jax.config.update("jax_num_cpu_devices", devices)
    from jcnn.compile import keep_memory
    from jcnn.config import TrainConfig
    from jcnn.data import Dataset
    from jcnn.layers import train_mode
    from jcnn.layers.model import split_model
    from jcnn.models import build
    from jcnn.train.devices import make_mesh, place_parameters, place_whole
    from jcnn.train.metrics import zero_totals
    from jcnn.train.prefetch import ResidentWindows
    from jcnn.train.programs import (
        compiled_part,
        epoch_program,
        init_program,
        order_program,
        seed_keys,
        step_keys,
    )

    keep_memory()
    on = make_mesh(jax.devices()) if mesh else None
    config = compiled_part(TrainConfig(batch_size=BATCH, optimizer="sgd"))
    rng, examples = np.random.default_rng(0), STEPS * BATCH
    images = rng.integers(0, 256, (examples, *SHAPE)).astype(np.uint8)
    labels = rng.integers(0, 10, examples).astype(np.int32)
    data = Dataset(images, labels, tuple("0123456789"))
    parts = split_model(train_mode(build(model, SHAPE, 10)))
    program = epoch_program(parts.graphdef, config, examples=examples, classes=10, mesh=on)
    init = init_program(config, population=False, mesh=on)
    state = [init(*place_parameters(on, (parts.params, parts.rest)))]
    seed = seed_keys(np.asarray(0, np.int64))
    order = partial(order_program(examples, shuffle=True, population=False), seed)
    window, _ = ResidentWindows(data, order, STEPS, on).window(1, 0)
    key, rate = step_keys(seed, 1), np.float32(1e-3)

    def run() -> float:
        totals = zero_totals(place=partial(place_whole, on))
        state[0], totals = program(state[0], parts.streams, totals, *window, key, rate, 0, 0, STEPS)
        return float(jax.block_until_ready(totals.loss))

    def timed() -> None:
        run()

    return timed, run()


def main() -> None:
    """Time the contestants on each model and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["conv2pool", "conv4"])
    options = parser.parse_args()
    print(machine("jax"))
    for model in options.models:
        contestants: dict[str, Setup] = {"one device": partial(epoch, model, 1, mesh=False)}
        for devices in (1, 2, 4):
            contestants[f"mesh of {devices}"] = partial(epoch, model, devices, mesh=True)
        timings = time_in_turn(contestants, rounds=options.rounds, runs=options.runs)
        alone = timings["one device"]
        print(f"{model}, {STEPS} steps of {BATCH}")
        for name, timing in timings.items():
            np.testing.assert_allclose(timing.answer, alone.answer, rtol=1e-3, err_msg=name)
            ratio = timing.median / alone.median
            print(timing.line(f"  {name}"), f" it / one device: {ratio:.3f}")


if __name__ == "__main__":
    main()
