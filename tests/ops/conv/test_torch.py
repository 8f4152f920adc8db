"""Convolution and pooling against PyTorch, values and gradients."""

from typing import Any

import jax
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv.cases import CASES, draw, every_method_and_case, gradients, operands
from tests.ops.conv.oracle import float64, padding_of_axis, pair
from tests.ops.conv.tolerances import assert_close

torch: Any = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

pytestmark = pytest.mark.slow


def nchw(array: Any) -> Any:
    """Images in PyTorch's layout, with `requires_grad`."""
    return torch.tensor(float64(array).transpose(0, 3, 1, 2)).requires_grad_()


def nhwc(tensor: Any) -> Any:
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


@every_method_and_case()
def test_convolution(method: str, name: str) -> None:
    case = CASES[name]
    a = operands(case)
    x, bias = nchw(a.x), torch.tensor(float64(a.bias)).requires_grad_()
    kernel = torch.tensor(float64(a.kernel).transpose(3, 2, 0, 1)).requires_grad_()
    spans = [
        (k - 1) * d + 1 for k, d in zip(case.kernel_shape[:2], pair(case.dilation), strict=True)
    ]
    (top, bottom), (left, right) = (
        padding_of_axis(case.x_shape[1 + i], spans[i], pair(case.stride)[i], i, case.padding)
        for i in (0, 1)
    )
    functional = torch.nn.functional
    y = functional.conv2d(
        functional.pad(x, (left, right, top, bottom)),
        kernel,
        bias,
        stride=pair(case.stride),
        dilation=pair(case.dilation),
        groups=case.groups,
    )
    y.backward(nchw(a.g).detach())
    wanted = (
        nhwc(y),
        nhwc(x.grad),
        kernel.grad.numpy().transpose(2, 3, 1, 0),
        bias.grad.numpy(),
    )
    got = jax.jit(gradients(case, method))(a.x, a.kernel, a.bias, a.g)
    for one, want, terms in zip(got, wanted, case.terms, strict=True):
        assert_close(one, want, dtype="float32", method=method, terms=terms)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution(groups: int, padding: int) -> None:
    """Its weight is (C, O // groups, KH, KW)."""
    how: dict[str, Any] = {
        "stride": (3, 2),
        "padding": padding,
        "output_padding": (2, 1),
        "dilation": (1, 2),
        "groups": groups,
    }
    x, kernel = draw("x", (2, 4, 3, 4)), draw("kernel", (3, 2, 3, 4))
    bias = draw("bias", (3 * groups,))
    operands = nchw(x), torch.tensor(float64(kernel).transpose(3, 2, 0, 1)).requires_grad_()
    y = torch.nn.functional.conv_transpose2d(*operands, torch.tensor(float64(bias)), **how)
    got, pull_back = jax.vjp(lambda x, k: ops.conv_transpose2d(x, k, bias, **how), x, kernel)
    assert_close(got, nhwc(y), dtype="float32", method="lax", terms=25)
    g = draw("g", got.shape)
    y.backward(nchw(g).detach())
    by_x, by_kernel = pull_back(g)
    assert_close(by_x, nhwc(operands[0].grad), dtype="float32", method="lax", terms=18)
    want = operands[1].grad.numpy().transpose(2, 3, 1, 0)
    assert_close(by_kernel, want, dtype="float32", method="lax", terms=24)


@pytest.mark.parametrize("stride", [None, (2, 1)])
@pytest.mark.parametrize("kind", ["max", "average", "average counting padding"])
def test_pooling(kind: str, stride: tuple[int, int] | None) -> None:
    functional = torch.nn.functional
    a = operands(CASES["plain"])
    x = nchw(a.x)
    how: dict[str, Any] = {"stride": stride, "padding": 1}
    if kind == "max":
        y = functional.max_pool2d(x, (2, 3), **how)
        got, pull_back = jax.vjp(lambda x: ops.max_pool2d(x, (2, 3), **how), a.x)
    else:
        counted = kind == "average counting padding"
        y = functional.avg_pool2d(x, (2, 3), **how, count_include_pad=counted)
        got, pull_back = jax.vjp(
            lambda x: ops.avg_pool2d(x, (2, 3), **how, count_padding=counted), a.x
        )
    method = "max_pool2d" if kind == "max" else "avg_pool2d"
    assert_close(got, nhwc(y), dtype="float32", method=method, terms=1)
    weights = 1 + np.arange(got.size, dtype="float32").reshape(got.shape) / got.size
    y.backward(torch.tensor(weights.astype("float64").transpose(0, 3, 1, 2)))
    (by_x,) = pull_back(jax.numpy.asarray(weights))
    assert_close(by_x, nhwc(x.grad), dtype="float32", method=method, terms=6)
