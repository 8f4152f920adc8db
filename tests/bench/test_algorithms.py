"""Algorithms: the reference, the arithmetic of the rates, and detection of a wrong method."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from jcnn.bench import algorithms
from jcnn.bench.cases import CASES, Case
from jcnn.bench.record import Row
from jcnn.bench.reference import reference
from jcnn.ops import METHODS
from tests.ops.conv import oracle

SMALL = {
    "plain": Case((2, 6, 5, 5), (3, 3, 5, 4)),
    "strided groups": Case((2, 7, 6, 4), (3, 2, 2, 6), stride=2, groups=2),
    "dilated": Case((1, 9, 8, 2), (3, 3, 2, 5), padding="VALID", dilation=2),
    "depthwise": Case((2, 5, 6, 4), (2, 3, 1, 8), padding=((2, 0), (1, 3)), groups=4),
}


@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL)
def test_the_reference_is_the_definition(case: Case) -> None:
    rng = np.random.default_rng(1)
    x, kernel, dy = (rng.standard_normal(shape) for shape in (case.x, case.kernel, case.y))
    y, dx, dk = reference(x, kernel, dy, case.window, case.groups)
    expected_y = oracle.conv2d(
        x,
        kernel,
        stride=case.stride,
        padding=case.padding,
        dilation=case.dilation,
        groups=case.groups,
    )
    by_x, by_kernel, _ = oracle.conv2d_gradients(
        x,
        kernel,
        dy,
        stride=case.stride,
        padding=case.padding,
        dilation=case.dilation,
        groups=case.groups,
    )
    np.testing.assert_allclose(y, expected_y, atol=1e-12)
    np.testing.assert_allclose(dx, by_x, atol=1e-12)
    np.testing.assert_allclose(dk, by_kernel, atol=1e-12)


def test_operations_are_counted_by_hand() -> None:
    assert CASES["conv4, 2"].flops == 2 * 64 * 28 * 28 * 64 * 3 * 3 * 32
    assert CASES["ResNet stem 7x7/2, 224"].flops == 2 * 8 * 112 * 112 * 64 * 7 * 7 * 3
    assert CASES["depthwise 3x3/2, 28"].flops == 2 * 8 * 14 * 14 * 256 * 3 * 3
    assert CASES["creatures, 2"].y == (16, 96, 96, 64)
    assert [name for name, case in CASES.items() if case.of_images] == [
        "conv4, 1",
        "ResNet stem 7x7/2, 224",
    ]
    assert len(CASES) >= 20


def test_every_case_is_a_convolution() -> None:
    for case in CASES.values():
        assert case.kernel[2] * case.groups == case.x[3]
        assert case.kernel[3] % case.groups == 0


def test_rows_have_rates_memory_and_errors_that_make_sense(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = replace(METHODS["lax"], fn=lambda *all: 1.5 * METHODS["lax"].fn(*all))
    never = replace(METHODS["lax"], unsupported=lambda *all: "never")
    monkeypatch.setitem(METHODS, "wrong", wrong)
    monkeypatch.setitem(METHODS, "never", never)
    case = SMALL["plain"]
    product, *rows = algorithms.rows(
        {"plain": case},
        {"float32": None},
        ("gradient",),
        methods=("lax", "wrong", "never"),
        rounds=2,
        matmul_size=64,
    )
    assert product.median is not None
    rate = 2 * 64**3 / product.median / 1e9
    assert product.figures["GFLOP/s"] == pytest.approx(rate)
    found = {row.contestant: row for row in rows}
    assert found["never"] == Row("plain", "never", group="gradient, float32", note="never")
    assert found["wrong"].wrong
    assert not found["wrong"].seconds
    lax = found["lax"]
    assert (lax.wrong, lax.n) == (False, 2)
    assert lax.median is not None
    # both gradients: twice the products of the forward convolution, two operations each
    by_hand = 2 * 2 * (2 * 6 * 5 * 4) * (3 * 3 * 5) / lax.median / 1e9
    assert lax.figures["GFLOP/s"] == pytest.approx(by_hand)
    assert lax.figures["of matmul"] == pytest.approx(by_hand / rate)
    # float32: x, kernel and dy in, the gradients by x and by the kernel out
    numbers = 2 * (2 * 6 * 5 * 5) + 2 * (3 * 3 * 5 * 4) + 2 * 6 * 5 * 4
    assert lax.figures["MiB"] * 2**20 >= 4 * numbers


def test_of_pictures_only_the_kernels_gradient_is_asked() -> None:
    case = {"pictures": Case((2, 6, 5, 1), (3, 3, 1, 4))}
    directions = ("by input", "gradient")
    _, *rows = algorithms.rows(
        case, {"float32": None}, directions, methods=("lax",), rounds=1, matmul_size=16
    )
    (row,) = rows
    assert (row.group, row.note) == ("gradient, float32", "by kernel only")
    assert row.median is not None
    by_hand = 2 * (2 * 6 * 5 * 4) * 9 / row.median / 1e9
    assert row.figures["GFLOP/s"] == pytest.approx(by_hand)


def test_a_method_that_writes_out_a_large_kernel_is_left_out() -> None:
    case = {"large": Case((1, 16, 16, 1), (15, 15, 1, 1))}
    _, row = algorithms.rows(
        case, {"float32": None}, ("forward",), methods=("shift",), rounds=1, matmul_size=16
    )
    assert not row.seconds
    assert "225 cells" in row.note


def test_the_findings_name_where_auto_loses() -> None:
    rows = [
        Row("512 x 512 matrices", "matmul", (1.0,), "forward, float32", figures={"GFLOP/s": 99.6}),
        *(Row(case, "lax", (1.0,), "forward, float32") for case in ("a", "b", "c")),
        Row("a", "auto", (0.5,), "forward, float32"),
        Row("b", "auto", (1.2,), "forward, float32"),
        Row("c", "auto", (1.04,), "forward, float32"),
        Row("d", "auto", (2.0,), "forward, float32", note="the same program as lax"),
    ]
    assert algorithms.findings(rows) == [
        "float32: a matrix product runs at 100 GFLOP/s",
        "auto is the same program as lax in 1 of 4",
        (
            "where it is not, auto / lax: 0.50 to 1.20 (worst: b, forward, float32); "
            "over 1.05 in 1 of 3"
        ),
    ]


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the shipped table is of a CPU")
def test_auto_is_said_to_be_the_same_program_exactly_where_it_is() -> None:
    cases = {
        "1x1": Case((2, 6, 5, 4), (1, 1, 4, 3)),
        "depthwise": Case((8, 14, 14, 512), (3, 3, 1, 512), groups=512),
    }
    _, *rows = algorithms.rows(
        cases, {"float32": None}, ("forward",), methods=("lax", "auto"), rounds=1, matmul_size=16
    )
    notes = {(row.case, row.contestant): row.note for row in rows}
    assert notes["1x1", "auto"] == "the same program as lax"
    assert [notes[row] for row in notes if row != ("1x1", "auto")] == ["", "", ""]
