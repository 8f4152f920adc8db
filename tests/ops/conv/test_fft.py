"""Method and lowering "fft": transform lengths, large kernels, rounding error."""

import dataclasses

import jax
import numpy as np
import pytest

from jcnn import ops
from jcnn.ops.conv.lowerings.lowering import Conv, Params
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.methods.fft import fast_length
from jcnn.ops.conv.table.explain import directions
from tests.ops.conv import oracle, test_lowerings
from tests.ops.conv.cases import Case, conv, expected, gradients, operands, precision_for, quickly
from tests.ops.conv.test_methods import equations
from tests.ops.conv.tolerances import assert_close

# The kernel as large as the image, larger, and on an image whose size is a prime.
LARGE = {
    "SAME": Case((2, 17, 13, 2), (15, 11, 2, 3)),
    "larger than the image": Case((1, 5, 7, 2), (9, 11, 2, 2)),
    "VALID": Case((1, 19, 18, 2), (17, 7, 2, 2), padding="VALID"),
    "strided and dilated": Case((1, 23, 21, 2), (7, 5, 2, 2), (3, 2), ((4, 9), (0, 2)), (2, 3)),
    "depthwise": Case((1, 16, 17, 3), (13, 14, 1, 6), groups=3),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_kernels(name: str) -> None:
    case = LARGE[name]
    a = operands(case)
    got = quickly(gradients(case, "fft"), a.x, a.kernel, a.bias, a.g)
    for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
        assert_close(one, want, dtype="float32", method="fft", terms=terms)


# The convolutions of the primitive that gradients by large kernels are.
FAMILY = {
    "gradient by input": test_lowerings.Case(
        (2, 6, 5, 3), (9, 11, 3, 2), (1, 1), ((6, 7), (4, 8)), in_dilation=(3, 2)
    ),
    "gradient by input, cropped": test_lowerings.Case(
        (1, 9, 12, 4), (9, 10, 2, 6), (1, 1), ((8, -1), (-2, 9)), in_dilation=(2, 1), groups=2
    ),
    "gradient by kernel": test_lowerings.Case(
        (3, 17, 13, 2), (9, 5, 2, 4), (2, 1), ((9, 8), (4, 3)), dilation=(1, 2)
    ),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, "float32") for name in FAMILY),
        ("gradient by input, cropped", "bfloat16"),
        pytest.param("gradient by input", "bfloat16", marks=pytest.mark.slow),
        pytest.param("gradient by kernel", "bfloat16", marks=pytest.mark.slow),
    ],
)
def test_the_lowering_does_the_whole_family(name: str, dtype: str) -> None:
    case = dataclasses.replace(FAMILY[name], dtype=dtype)
    test_lowerings.check([case], "fft", models=2, method="fft")


def test_the_lowering_refuses_small_kernels_and_gradients_by_them() -> None:
    small, large = (Case((2, 20, 20, 2), (k, 9, 2, 3)) for k in (8, 9))
    for case, refused in ((small, True), (large, False)):
        forward = Conv("cpu", "float32", case.x_shape, case.kernel_shape, params_of(case))
        made = directions(forward)
        assert made["by kernel"].conv.is_by_kernel
        reasons = [LOWERINGS["fft"].unsupported(one.conv) for one in made.values()]
        assert [reason is not None for reason in reasons] == [refused] * 3


def params_of(case: Case) -> Params:
    rows, columns = (((k - 1) // 2, k // 2) for k in case.kernel_shape[:2])
    return Params((1, 1), (rows, columns), (1, 1), (1, 1), 1)


def test_lengths_are_the_next_products_of_2_3_and_5() -> None:
    products = {2**a * 3**b * 5**c for a in range(11) for b in range(7) for c in range(5)}
    for least in range(1, 1000):
        assert fast_length(least) == min(p for p in products if p >= least)


def test_the_transform_is_no_longer_than_what_the_windows_read() -> None:
    """Seven cells of nine, since the stride leaves two; not seven and the kernel's."""
    case = Case((1, 9, 31, 1), (4, 7, 1, 1), stride=(3, 1), padding="VALID")
    a = operands(case)
    jaxpr = jax.make_jaxpr(conv(case, "fft"))(a.x, a.kernel)
    found = [e.params["fft_lengths"] for e in equations(jaxpr.jaxpr) if "fft_lengths" in e.params]
    assert found == [(8, 32)] * 3  # 7 and 31, to the next fast lengths


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_error_is_that_of_the_whole_image(dtype: str) -> None:
    """A large number in one corner disturbs the other in proportion to it, and no more."""
    case = dataclasses.replace(Case((1, 24, 24, 1), (3, 3, 1, 1), padding="VALID"), dtype=dtype)
    with precision_for(dtype):
        a = operands(case)
        x = a.x.at[0, 0, 0, 0].set(2.0**10)
        y = oracle.float64(quickly(conv(case, "fft"), x, a.kernel))
        want = oracle.conv2d(oracle.float64(x), oracle.float64(a.kernel), padding="VALID")
    error = np.abs(y - want)[0, 12:, 12:].max() / np.finfo(dtype).eps
    assert 2**-3 < error < 2**12


def test_it_is_what_runs() -> None:
    case = LARGE["VALID"]
    a = operands(case)
    text = jax.jit(conv(case, "fft")).lower(a.x, a.kernel).as_text()
    assert text.count("stablehlo.fft ") == 3
    assert "stablehlo.convolution" not in text
    assert "fft" in ops.METHODS
