"""The compiled programs: their convolutions have the fast form, also inside the epoch's loop."""

import jax
import jax.numpy as jnp
import pytest

from jcnn.config import TrainConfig
from jcnn.layers import take_apart, training
from jcnn.metrics import zero_totals
from jcnn.models import build
from jcnn.ops import _conv_primitive
from jcnn.programs import epoch_program, first_state
from tests.hlo import convolutions, faults

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="the form is XLA:CPU's")


@on_cpu
@pytest.mark.parametrize(
    ("name", "shape", "per_step"),
    # Forward, by kernel and by input, but no gradient by the pictures.
    [("conv4", (28, 28, 1), 4 + 4 + 3), ("creatures", (20, 20, 3), 4 + 4 + 3)],
)
@pytest.mark.parametrize("table", ["shipped", "none"])
def test_every_convolution_of_an_epoch_is_in_the_fast_form(
    name: str,
    shape: tuple[int, int, int],
    per_step: int,
    table: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if table == "none":  # every convolution is XLA's
        monkeypatch.setattr(_conv_primitive, "tables", lambda: ())
    epoch_program.cache_clear()
    parts = take_apart(training(build(name, shape, 10)))
    config = TrainConfig(batch_size=4)
    state = first_state(parts.params, parts.rest, config)
    images = jax.ShapeDtypeStruct((10, *shape), jnp.uint8)
    labels = jax.ShapeDtypeStruct((10,), jnp.int32)
    order = jax.ShapeDtypeStruct((10,), jnp.int32)
    program = epoch_program(parts.graphdef, config, examples=10, classes=10)
    window, key, rate = (images, labels, order, 0), jax.random.key(0), jnp.float32(1e-3)
    lowered = program.lower(state, parts.streams, zero_totals(), *window, key, rate, 0, 0, 3)
    text = lowered.compile().as_text()
    found = convolutions(text)
    assert {line: faults(line) for line in found if faults(line)} == {}
    if table == "none":
        assert len(found) == 2 * per_step  # whole batches, and the last of another size
