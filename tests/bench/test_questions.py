"""Each question runs at a small size, and detects wrong results."""

from collections.abc import Callable
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from jcnn.bench import eager, inside, scaling, startup
from jcnn.bench.questions import QUESTIONS
from jcnn.bench.record import Row, relative_error
from jcnn.bench.steps import Step, answer_of, in_a_loop, step_error, training_of
from jcnn.cli.bench import Name
from jcnn.compile import jit
from jcnn.train.step import Carry


def test_every_public_op_is_timed() -> None:
    functions = {
        name
        for name in ops.__all__
        if callable(getattr(ops, name)) and not isinstance(getattr(ops, name), type)
    }
    # Functions of shapes and of methods are not timed; col2im is the gradient of im2col.
    plain = {
        *("conv_multiply_adds", "conv_output_shape", "multiply_adds"),
        *("receptive_field", "resolve_window", "col2im"),
        *("conv_transpose_output_shape", "explain_conv", "im2col_in_chunks"),
        *("check_padding", "check_pair", "check_rate", "check_size"),
        *("check_channels", "check_interpolation", "check_sides"),
        *("recordable", "recorded_ops"),
    }
    types = {"Interpolation", "Padding", "Pads", "Precision", "Size"}
    assert functions - plain - types <= set(eager.cases(1))


def test_a_line_is_found_and_what_is_off_it() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    slope, start, off = scaling.fit_line(x, 0.5 * x + 3)
    assert (slope, start, off) == pytest.approx((0.5, 3.0, 0.0), abs=1e-9)
    bent = 0.5 * x + 3
    bent[3] *= 1.5
    assert scaling.fit_line(x, bent)[2] > 0.05
    rows = [Row(f"{n}", "conv1", (0.002 * n + 0.01,), scaling.EPOCH, x=n) for n in (64.0, 128, 512)]
    assert scaling.findings(rows) == [
        "an epoch of conv1: 2 ms an image and 10 ms; at most 0.0% off that line"
    ]
    assert scaling.findings(rows[:2]) == []
    members = [Row("1", "conv1", (0.5,), scaling.MEMBERS, x=1.0)]
    members.append(Row("4", "conv1", (1.8,), scaling.MEMBERS, x=4.0))
    assert scaling.findings(members) == ["4 x conv1 at once / in turn: 0.90"]


def test_findings_divide_the_medians() -> None:
    rows = [
        Row("m", "jcnn, bare", (1.0,)),
        Row("m", "jcnn, loop", (0.9,)),
        Row("m", "nnx.Conv, bare", (2.0,)),
        Row("m", "nnx.Conv, loop", ()),
        Row("4 x m", "jcnn, Python loop", (1.0,)),
        Row("4 x m", "jcnn, vmap", (1.5,)),
    ]
    assert inside.findings(rows) == [
        "m, jcnn: loop / bare 0.90",
        "4 x m, jcnn: vmap / Python loop 1.50",
    ]
    assert eager.findings(
        [Row("relu", "eager", (3.0,), "op"), Row("relu", "compiled", (1.5,), "op")]
    ) == ["times faster than eager: relu 2.0"]


def test_an_op_that_is_compiled_wrongly_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {name: case for name, case in eager.cases(1).items() if name in ("relu", "tanh")}
    monkeypatch.setattr(eager, "cases", lambda batch: table)
    monkeypatch.setattr(eager, "_step_rows", lambda *all: [])
    monkeypatch.setattr(
        "jcnn.bench.eager.jit", lambda f: jit(lambda x: 1.01 * f(x) if f is ops.tanh else f(x))
    )
    rows = eager.rows(batch=1, rounds=1)
    assert [(row.case, row.contestant) for row in rows if row.wrong] == [("tanh", "compiled")]
    assert all(row.n == 1 for row in rows)


def test_nnx_convolutions_make_the_same_step() -> None:
    answers = []
    for convolution in inside.CONVOLUTIONS:
        made = training_of("conv1", 3, convolution=convolution)
        step = jit(made.step)
        batch = (made.images, made.labels)
        key, other = jax.random.key(0), jax.random.key(1)
        answers.append(answer_of(step(made.carries[0], *batch, key, jnp.int32(0))))
        # The check detects another dropout mask.
        other_key = answer_of(step(made.carries[0], *batch, other, jnp.int32(0)))
        assert step_error(other_key, answers[-1]) > 10
    assert step_error(*answers) < 0.1


def test_what_is_wrong_with_a_step_of_several_models_is_found_out() -> None:
    """Each fault is in one gradient, or in one of four models."""
    made = training_of("mlp", 8, models=4)
    step = jit(made.step)

    def together(images: list[jax.Array]) -> list[np.ndarray]:
        keys = jax.random.split(jax.random.key(0), 4)
        carries = [
            step(carry, x, made.labels, key, jnp.int32(0))
            for carry, x, key in zip(made.carries, images, keys, strict=True)
        ]
        return answer_of(jax.tree.map(lambda *leaves: jnp.stack(leaves), *carries))

    right = together([made.images] * 4)
    assert [a.shape for a in right] == [
        *((4,), (4, 128), (4, 784, 128)),  # the loss; a layer's bias and kernel
        *((4, 10), (4, 128, 10)),
    ]
    assert step_error(right, right) == 0
    others = made.images[::-1]
    assert step_error(together([made.images] * 3 + [others]), right) > 1

    def error_with(number: int, array: np.ndarray) -> float:
        return step_error([*right[:number], array, *right[number + 1 :]], right)

    for number in range(1, len(right)):
        assert error_with(number, 1.01 * right[number]) > 1
        assert error_with(number, 0.99 * right[number]) > 1
        assert error_with(number, right[number][[1, 0, 2, 3]]) > 1
        assert error_with(number, right[number][..., ::-1]) > 1
        assert error_with(number, (1 + 1e-6) * right[number]) < 0.01
    assert error_with(0, (1 + 3e-5) * right[0]) > 1
    assert error_with(2, right[2].reshape(4, 128, 784)) == np.inf
    assert error_with(2, np.where(right[2] == right[2].max(), np.nan, right[2])) == np.inf
    assert step_error(right[:-1], right) == np.inf


def test_a_maximum_that_rounding_moves_is_no_wrong_gradient() -> None:
    """A kernel's gradient is a sum over cells; one term moves to the neighbouring input."""
    rng = np.random.default_rng(0)
    inputs, errors = rng.standard_normal((40_000, 9)), rng.standard_normal((40_000, 16))
    gradient = inputs.T @ errors
    # The cell has the largest error of all, and is the only one in its feature map.
    cell, filter_ = np.unravel_index(np.abs(errors).argmax(), errors.shape)
    moved = gradient.copy()
    moved[:, filter_] += errors[cell, filter_] * (inputs[cell - 1] - inputs[cell])
    loss = np.array(1.0)
    assert relative_error(moved, gradient) > 1e-3
    assert 1e-3 < step_error([loss, moved], [loss, gradient]) < 1


@pytest.mark.slow
def test_inside() -> None:
    rows = inside.rows(("conv1",), (2,), batch=2, rounds=1)
    assert not [row for row in rows if row.wrong]
    assert all(row.seconds for row in rows)
    assert {row.contestant for row in rows if row.case.startswith("2 x")} == {
        f"{convolution}, {way}"
        for convolution in inside.CONVOLUTIONS
        for way in ("Python loop", "lax.map", "vmap")
    }
    assert "jcnn, epoch" in {row.contestant for row in rows}
    assert [row.error for row in rows].count(None) == 2  # the reference of each case


@pytest.mark.slow
def test_a_loop_whose_gradient_is_wrong_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_loop(step: Step) -> Callable[..., Carry]:
        def loop(*arguments: Any) -> Carry:
            state, totals = in_a_loop(step)(*arguments)
            kernels = jax.tree.map(lambda g: 1.01 * g if g.ndim == 4 else g, state.optimizer.mean)
            return state._replace(optimizer=state.optimizer._replace(mean=kernels)), totals

        return loop

    monkeypatch.setattr(inside, "in_a_loop", wrong_loop)
    rows = inside.rows(("conv1",), (), batch=2, rounds=1)
    assert {row.contestant for row in rows if row.wrong} == {
        *("jcnn, loop", "nnx.Conv, loop", "nnx.Conv, loop, plain jax.jit")
    }
    assert all(bool(row.seconds) != row.wrong for row in rows)


@pytest.mark.slow
def test_scaling() -> None:
    sizes = {
        "batch size (time of a step)": (2, 4),
        "side of the images (time of a step)": (8, 12),
        scaling.MEMBERS: (1, 2),
        scaling.EPOCH: (8, 12, 16),
    }
    rows = scaling.rows(("conv1",), sizes, batch=4, rounds=1)
    assert not [row for row in rows if row.wrong]
    assert [row.x for row in rows] == [2, 4, 8, 12, 1, 2, 8, 12, 16]
    members, line = scaling.findings(rows)
    assert members.startswith("2 x conv1 at once / in turn: ")
    assert line.startswith("an epoch of conv1: ")


@pytest.mark.slow
def test_startup() -> None:
    rows = startup.rows("mlp", batch=4, rounds=1)
    medians = {row.case: row.median for row in rows}
    assert all(medians.values())
    assert [row.case for row in rows if row.error == 0] == [startup.COLD, startup.CACHED]
    assert len(startup.findings(rows)) == 1


def test_a_process_that_fails_is_reported() -> None:
    with pytest.raises(RuntimeError, match="failed: ModuleNotFoundError: No module named 'nosuch'"):
        startup.run(["-c", "import nosuch"])


def test_the_questions_are_those_of_the_command_line() -> None:
    assert ("all", *QUESTIONS, "tune") == get_args(Name)
