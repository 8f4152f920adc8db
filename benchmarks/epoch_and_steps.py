"""What does an epoch of `fit` cost beside its steps run one by one?

    python -m benchmarks.epoch_and_steps [--rounds 6]

`conv4` on 1,600 pictures of mnist5k, batch 64: the epoch's program shuffles, takes batches and
adds up metrics inside one loop; the steps beside it are compiled alone and get their batches
ready made. Both must end with the same parameters, to 1e-5.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from jcnn.bench.pairs import machine, time_in_turn

EXAMPLES, BATCH = 1600, 64


def _prepare() -> Any:
    import jax
    import jax.numpy as jnp

    from jcnn.config import TrainConfig
    from jcnn.data import load
    from jcnn.layers import take_apart, training
    from jcnn.models import build
    from jcnn.programs import State, first_state

    train, _ = load("mnist5k")
    parts = take_apart(training(build("conv4")))

    def fresh() -> State:
        params = jax.tree.map(jnp.copy, parts.params)
        return first_state(params, parts.rest, TrainConfig())

    return parts, fresh, jnp.asarray(train.images[:EXAMPLES]), jnp.asarray(train.labels[:EXAMPLES])


def _answer(state: Any) -> list[np.ndarray]:
    import jax

    return [np.asarray(leaf) for leaf in jax.tree.leaves(state.params)]


def epoch() -> tuple[Callable[[], None], Any]:
    """The whole epoch as `fit` runs it: one call."""
    import jax
    import jax.numpy as jnp

    from jcnn.config import TrainConfig
    from jcnn.data.batches import epoch_order, shuffle_key, step_key
    from jcnn.metrics import zero_totals
    from jcnn.programs import epoch_program

    parts, fresh, images, labels = _prepare()
    config = TrainConfig(batch_size=BATCH)
    program = epoch_program(parts.graphdef, config, examples=EXAMPLES, classes=10)
    seed = jax.random.key(1)
    key, rate, state = step_key(seed, 1), jnp.float32(1e-3), [fresh()]

    def run() -> None:
        order = epoch_order(shuffle_key(seed, 1), EXAMPLES)
        window, bounds = (images, labels, order, 0), (0, 0, EXAMPLES // BATCH)
        state[0], totals = program(
            state[0], parts.streams, zero_totals(), *window, key, rate, *bounds
        )
        float(totals.loss)

    run()
    return run, _answer(state[0])


def steps() -> tuple[Callable[[], None], Any]:
    """The same steps, one call each, on batches prepared beforehand in the epoch's order."""
    import jax
    import jax.numpy as jnp

    from jcnn.compile import jit
    from jcnn.config import TrainConfig
    from jcnn.data.batches import epoch_order, shuffle_key, step_key
    from jcnn.metrics import zero_totals
    from jcnn.programs import training_step

    parts, fresh, images, labels = _prepare()
    seed, rate = jax.random.key(1), jnp.float32(1e-3)
    order = epoch_order(shuffle_key(seed, 1), EXAMPLES).reshape(-1, BATCH)
    batches = [
        (images[rows], labels[rows], jax.random.fold_in(step_key(seed, 1), i), jnp.int32(i), rate)
        for i, rows in enumerate(order)
    ]
    config = TrainConfig(batch_size=BATCH)
    made = training_step(parts.graphdef, parts.streams, config, steps=EXAMPLES // BATCH, classes=10)
    step = jit(made, donate_argnums=(0,))
    state = [fresh()]

    def run() -> None:
        carry = (state[0], zero_totals())
        for batch in batches:
            carry = step(carry, *batch)
        float(carry[1].loss)
        state[0] = carry[0]

    run()
    return run, _answer(state[0])


def main() -> None:
    """Time both in turn and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    rounds = parser.parse_args().rounds
    timings = time_in_turn(
        {"epoch, one program": epoch, "its steps, one by one": steps}, rounds=rounds, runs=2
    )
    print(machine("jax", "flax"))
    for name, timing in timings.items():
        print(timing.line(name))
    one, many = timings.values()
    for a, b in zip(one.answer, many.answer, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    print(f"epoch / steps: {one.median / many.median:.3f}")


if __name__ == "__main__":
    main()
