"""Every public op with and without `jit`, against the oracle, through `chex.variants`."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import CASES, conv, draw, expected, gradients, operands, reason_against
from tests.ops.conv.tolerances import assert_close

SHAPE = (2, 5, 6, 3)
Test = Callable[["TestVariants"], None]
twice: Callable[[Test], Test] = chex.variants(with_jit=True, without_jit=True)


class TestVariants(chex.TestCase):
    """One test per op; chex runs each with and without `jit`, as `variant`."""

    variant: Callable[..., Any]

    @twice
    def test_conv2d(self) -> None:
        """Values of every method."""
        case = CASES["everything"]
        a = operands(case)
        for method in [m for m in ops.METHODS if reason_against(m, case) is None]:
            y = self.variant(conv(case, method))(a.x, a.kernel, a.bias)
            want = expected(case, a)[0]
            assert_close(y, want, dtype="float32", method=method, terms=case.terms[0])

    @twice
    def test_conv2d_gradients(self) -> None:
        """By input, kernel and bias; the contract has all methods, without `jit` in a slow test."""
        case = CASES["padding larger than kernel"]
        a = operands(case)
        for method in ("auto", "im2col"):
            got = self.variant(gradients(case, method))(a.x, a.kernel, a.bias, a.g)
            for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
                assert_close(one, want, dtype="float32", method=method, terms=terms)

    @twice
    def test_im2col(self) -> None:
        """Exact: numbers are only copied."""
        x = draw("x", SHAPE)
        cols = self.variant(lambda x: ops.im2col(x, (3, 2), stride=2, padding="SAME"))(x)
        want = oracle.im2col(oracle.float64(x), (3, 2), stride=2, padding="SAME")
        np.testing.assert_array_equal(cols, want)

    @twice
    def test_col2im(self) -> None:
        """Of rows of ones: how many windows see each pixel."""
        count = self.variant(lambda cols: ops.col2im(cols, SHAPE, 2))
        want = np.multiply.outer([1, 2, 2, 2, 1], [1, 2, 2, 2, 2, 1])
        np.testing.assert_array_equal(
            count(jnp.ones((2, 4, 5, 12))), np.broadcast_to(want[None, :, :, None], SHAPE)
        )

    @twice
    def test_pooling(self) -> None:
        """Maximum and mean."""
        x = draw("x", SHAPE)
        y = self.variant(lambda x: ops.max_pool2d(x, (3, 2), padding="SAME"))(x)
        np.testing.assert_array_equal(
            y, oracle.max_pool2d(oracle.float64(x), (3, 2), padding="SAME").astype("float32")
        )
        y = self.variant(lambda x: ops.avg_pool2d(x, (3, 2), padding="SAME"))(x)
        want = oracle.avg_pool2d(oracle.float64(x), (3, 2), padding="SAME")
        assert_close(y, want, dtype="float32", method="avg_pool2d", terms=1)

    @twice
    def test_dense(self) -> None:
        """With bias."""
        x, kernel, bias = draw("x", (3, 20)), draw("k", (20, 4)), draw("b", (4,))
        y = self.variant(ops.dense)(x, kernel, bias)
        want = oracle.dense(*(oracle.float64(a) for a in (x, kernel, bias)))
        assert_close(y, want, dtype="float32", method="dense", terms=21)

    @twice
    def test_flatten(self) -> None:
        """Row-major."""
        x = draw("x", SHAPE)
        np.testing.assert_array_equal(self.variant(ops.flatten)(x), np.reshape(x, (2, -1)))

    @twice
    def test_dropout(self) -> None:
        """Zero or twice the number."""
        x, key = draw("x", SHAPE), jax.random.key(1)
        y = self.variant(lambda x, key: ops.dropout(x, 0.5, key=key))(x, key)
        np.testing.assert_array_equal(y, np.where(y != 0, 2 * x, 0))
        assert 0 < np.mean(y == 0) < 1

    @twice
    def test_activations(self) -> None:
        """All but gelu."""
        x = draw("x", SHAPE)
        definitions: list[tuple[Callable[[jax.Array], jax.Array], oracle.Array]] = [
            (ops.relu, np.maximum(oracle.float64(x), 0)),
            (ops.leaky_relu, np.maximum(oracle.float64(x), 0.2 * oracle.float64(x))),
            (ops.sigmoid, 1 / (1 + np.exp(-oracle.float64(x)))),
            (ops.tanh, np.tanh(oracle.float64(x))),
            (ops.softmax, oracle.softmax(oracle.float64(x))),
        ]
        for function, want in definitions:
            y = oracle.float64(self.variant(function)(x))
            np.testing.assert_allclose(y, want, rtol=2**-21, atol=2**-23)

    @twice
    def test_gelu_is_x_times_phi(self) -> None:
        """`gelu(x) - gelu(-x) == x`, since Phi(x) + Phi(-x) is 1."""
        x = draw("x", SHAPE)
        gelu = self.variant(ops.gelu)
        np.testing.assert_allclose(gelu(x) - gelu(-x), x, rtol=2**-21)

    @twice
    def test_cross_entropy(self) -> None:
        """Of class numbers."""
        logits, labels = draw("logits", (4, 10)), np.array([0, 9, 3, 3])
        losses = self.variant(ops.cross_entropy)(logits, jnp.asarray(labels))
        want = oracle.cross_entropy(oracle.float64(logits), labels)
        np.testing.assert_allclose(losses, want, rtol=2**-20)
