"""What do eight models cost when they are trained at once, against eight trainings in turn?

    python -m benchmarks.population [--model conv1] [--members 8] [--rounds 5]

Each contestant trains the same seeds for one epoch on the same 2,000 digits with `jcnn.train`,
compiled beforehand; their parameters must agree to 1e-5. Together they are one program.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from jcnn.bench.pairs import Setup, machine, time_in_turn

EXAMPLES = 2000


def contestant(model: str, members: int, *, together: bool) -> tuple[Callable[[], None], Any]:
    """Train all members, at once or in turn; the answer is every parameter of each."""
    import jax
    from flax import nnx

    from jcnn.data import load
    from jcnn.models import build
    from jcnn.train import TrainConfig, fit, fit_population

    train, _ = load("mnist5k")
    data = train.take(slice(EXAMPLES))
    config = TrainConfig(epochs=1, steps_per_call=EXAMPLES)
    configs = [replace(config, seed=seed) for seed in range(members)]
    fresh = [nnx.state(build(model, seed=seed), nnx.Param) for seed in range(members)]
    models = [build(model) for _ in range(members)]

    def run() -> None:
        for one, params in zip(models, fresh, strict=True):
            nnx.update(one, params)
        if together:
            fit_population(models, data, configs)
        else:
            for one, own in zip(models, configs, strict=True):
                fit(one, data, own)

    run()
    leaves = [jax.tree.leaves(nnx.state(one, nnx.Param)) for one in models]
    return run, [np.asarray(leaf) for member in leaves for leaf in member]


def main() -> None:
    """Time both in turn and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="conv1")
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    made = partial(contestant, chosen.model, chosen.members)
    contestants: dict[str, Setup] = {
        "together": partial(made, together=True),
        "in turn": partial(made, together=False),
    }
    timings = time_in_turn(contestants, rounds=chosen.rounds, runs=2)
    print(machine("jax", "flax"))
    print(f"{chosen.members} x {chosen.model}, an epoch of {EXAMPLES} pictures each")
    for name, timing in timings.items():
        print(timing.line(name))
    together, in_turn = timings.values()
    for a, b in zip(together.answer, in_turn.answer, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    print(f"together / in turn: {together.median / in_turn.median:.2f}; parameters agree to 1e-5")


if __name__ == "__main__":
    main()
