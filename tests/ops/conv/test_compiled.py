"""Inside a loop, the compiled program has only convolutions that XLA:CPU runs fast.

XLA rewrites a convolution into its fast layouts only in a program's outermost computation, so a
training step inside `scan` must contain no other layouts; see docs/design.md.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jcnn import ops
from jcnn.compile import jit
from tests.hlo import FAST, convolutions, faults
from tests.ops.conv import oracle
from tests.ops.conv.cases import Case, draw

pytestmark = pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="the lowering is that which XLA:CPU needs"
)

LAYERS = {
    "stride 1": Case((4, 9, 8, 2), (3, 3, 2, 4)),
    "stride 2": Case((4, 9, 8, 4), (3, 2, 4, 4), stride=2),
    "dilation": Case((4, 5, 4, 4), (2, 2, 4, 6), dilation=2),
    "groups": Case((4, 5, 4, 6), (3, 3, 3, 4), groups=2),
    "VALID": Case((4, 5, 4, 4), (2, 3, 4, 4), padding="VALID"),
    # The output is larger than the input, and so is the "kernel" of the kernel's gradient.
    "asymmetric": Case((4, 4, 2, 4), (2, 2, 4, 3), padding=((0, 1), (2, 0))),
    "VALID and stride": Case((4, 4, 3, 3), (2, 2, 3, 4), stride=2, padding="VALID"),
    # As in the last layers of a deep network: the kernel is larger than the image.
    "small image": Case((4, 2, 1, 4), (3, 3, 4, 5)),
    "swapped operands": Case((4, 2, 1, 5), (2, 2, 5, 2), stride=(3, 2), padding=((2, 2), (3, 2))),
}


Convolve = Callable[[jax.Array, jax.Array, Case], jax.Array]


def with_jcnn(x: jax.Array, kernel: jax.Array, case: Case) -> jax.Array:
    return ops.conv2d(x, kernel, **case.how, method="lax")


def with_auto(x: jax.Array, kernel: jax.Array, case: Case) -> jax.Array:
    return ops.conv2d(x, kernel, **case.how)


def with_lax(x: jax.Array, kernel: jax.Array, case: Case) -> jax.Array:
    """The same convolution, with the gradients that JAX writes for it."""
    window = ops.resolve_window(
        case.x_shape[1:3],
        case.kernel_shape[:2],
        stride=case.stride,
        padding=case.padding,
        dilation=case.dilation,
    )
    return lax.conv_general_dilated(
        x,
        kernel,
        window.stride,
        window.padding,
        rhs_dilation=window.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=case.groups,
    )


def training_hlo(convolve: Convolve) -> str:
    """Optimised program of three steps of a network of all `LAYERS` inside one scan."""
    kernels = {name: draw(name, case.kernel_shape) for name, case in LAYERS.items()}

    def loss(kernels: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        for name, case in LAYERS.items():
            assert x.shape == case.x_shape, name
            x = ops.relu(convolve(x, kernels[name], case))
        return jnp.mean(x**2)

    def step(kernels: dict[str, jax.Array], x: jax.Array) -> tuple[Any, jax.Array]:
        value, by_kernels = jax.value_and_grad(loss)(kernels, x)
        return jax.tree.map(lambda k, g: k - 0.1 * g, kernels, by_kernels), value

    xs = draw("x", (3, *LAYERS["stride 1"].x_shape))
    program = jit(lambda kernels, xs: lax.scan(step, kernels, xs))
    return str(program.lower(kernels, xs).compile().as_text())


def test_every_convolution_of_a_training_scan_is_fast() -> None:
    found = convolutions(training_hlo(with_jcnn))
    # Each layer has a value and a gradient by kernel, and all but the first one by input.
    assert len(found) >= 3 * len(LAYERS) - 1
    assert {line: faults(line) for line in found if faults(line)} == {}


def test_so_is_every_remaining_convolution_of_auto() -> None:
    """Some become sums of products, some several convolutions, but none a slow one."""
    found = convolutions(training_hlo(with_auto))
    assert len(found) > len(LAYERS)
    assert {line: faults(line) for line in found if faults(line)} == {}


def test_the_checker_sees_the_slow_layouts_of_plain_lax() -> None:
    found = convolutions(training_hlo(with_lax))
    slow = [line for line in found if faults(line)]
    assert len(slow) >= len(LAYERS)


@pytest.mark.parametrize(
    ("instruction", "fault"),
    [
        ("%c = f32[1] convolution(%a, %b), window={size=3x3}, dim_labels=f01b_i01o->01bf", "dim"),
        ("%c = f32[1] convolution(%a, %b), window={size=3x3}, dim_labels=b01f_01oi->b01f", "dim"),
        (f"%c = f32[1] convolution(%a, %b), window={{size=3x3 rhs_reversal=1x1}}, {FAST}", "rev"),
        (f"%c = f32[1] convolution(%a, %b), window={{size=2x2 pad=0_-1x0_0}}, {FAST}", "negative"),
    ],
)
def test_the_checker_names_each_fault(instruction: str, fault: str) -> None:
    labelled = instruction.replace(f", {FAST}", f", dim_labels={FAST}")
    (only,) = faults(labelled)
    assert only.startswith(fault)
    assert convolutions(labelled) == [labelled]


def test_vmapped_models_are_not_a_grouped_convolution() -> None:
    """On CPU a grouped convolution is many times slower than the convolutions it groups."""
    case = LAYERS["stride 1"]
    models = 3
    xs, kernels = draw("x", (models, *case.x_shape)), draw("k", (models, *case.kernel_shape))

    def loss(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jnp.sum(with_jcnn(x, kernel, case) ** 2)

    program = jit(jax.vmap(jax.value_and_grad(loss, (0, 1))))
    found = convolutions(program.lower(xs, kernels).compile().as_text())
    assert len(found) >= 3 * models
    assert [line for line in found if "feature_group_count" in line] == []


def test_models_that_share_an_input_are_convolved_in_turn_and_a_jacobian_at_once() -> None:
    """Kernels of a few models are convolved one by one; those of a Jacobian become filters."""
    x = jnp.asarray(draw("x", (2, 6, 5, 3)))
    run = jax.vmap(lambda kernel: ops.conv2d(x, kernel, method="lax"), in_axes=4, out_axes=3)
    large, small = draw("large", (3, 3, 3, 16, 4)), draw("small", (3, 3, 3, 2, 4))
    for kernels, convolved in ((large, 4), (small, 1)):
        program = jit(run).lower(jnp.asarray(kernels)).compile()
        assert len(convolutions(program.as_text())) == convolved
        models = np.moveaxis(oracle.float64(kernels), 4, 0)
        each = [oracle.conv2d(oracle.float64(x), kernel) for kernel in models]
        np.testing.assert_allclose(program(kernels), np.stack(each, axis=3), rtol=0, atol=5e-6)


@pytest.mark.parametrize("stride", [1, (2, 3)])
@pytest.mark.parametrize("padding", ["VALID", ((1, 0), (0, 2))])
def test_the_gradient_by_a_1x1_kernel_is_a_matrix_product(stride: Any, padding: Any) -> None:
    """It reads the images where they lie: nothing of their size is transposed."""
    case = Case((4, 7, 8, 5), (1, 1, 5, 6), stride=stride, padding=padding)
    x, kernel = draw("x", case.x_shape), draw("kernel", case.kernel_shape)

    def by_kernel(x: jax.Array, kernel: jax.Array, g: jax.Array) -> jax.Array:
        gradient: jax.Array = jax.vjp(lambda kernel: with_jcnn(x, kernel, case), kernel)[1](g)[0]
        return gradient

    g = draw("g", with_jcnn(x, kernel, case).shape)
    compiled = jit(by_kernel).lower(x, kernel, g).compile()
    assert convolutions(str(compiled.as_text())) == []
    assert "dot(" in str(compiled.as_text())
    wide = oracle.float64(g)
    unit = [np.eye(30)[i].reshape(1, 1, 5, 6) for i in range(30)]  # it is linear in the kernel
    want = [np.sum(oracle.conv2d(oracle.float64(x), one, **case.how) * wide) for one in unit]
    np.testing.assert_allclose(np.ravel(compiled(x, kernel, g)), want, rtol=1e-5, atol=1e-4)
