"""The Cook-Toom algorithm: the transforms of F(m, r) as exact integers.

F(m, r) computes `m` neighbouring outputs of a filter of `r` taps,

    y[i] = sum_j g[j] d[i + j],    i < m, j < r,

with `n = m + r - 1` multiplications instead of `m * r`. Multiplying two polynomials, one of `r`
and one of `m` coefficients, is three steps: evaluate both at `n` points, multiply there, and
interpolate the product, which has `n` coefficients. As matrices, with V_k the `n x k` matrix of
the points' powers 0 to k - 1 (at infinity: of the last coefficient alone),

    g * h = V_n^-1 [(V_r g) . (V_m h)].

For a fixed `g` this is a matrix applied to `h`, and the matrix of the filter is its transpose:

    y = V_m^T [(V_r g) . (V_n^-T d)] = A^T [(G g) . (B^T d)].

The row of V_n^-T that belongs to point p holds the coefficients of Lagrange's polynomial
prod (t - q) / prod (p - q), over the other points q; for infinity, of prod (t - q) over all of
them. Its denominator is moved to G, and G's common denominator to the result: with integer points
all three matrices are integer, and only the result is divided. So only the data are rounded, and
the result is exact for small integers.

References: Winograd, "Arithmetic Complexity of Computations", 1980 (that `n` is the least); Lavin
and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016 (the matrices A, G and B).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Filtering:
    """`y = output [(kernel g) . (data d)] / denominator`.

    Attributes:
        output: A^T, `m x n`.
        kernel: G times the denominator, `n x r`.
        data: B^T, `n x n`.
        denominator: of G.
    """

    output: Matrix
    kernel: Matrix
    data: Matrix
    denominator: int

    @property
    def outputs(self) -> int:
        """m: the outputs of one tile."""
        return len(self.output)

    @property
    def cells(self) -> int:
        """n: the inputs of one tile, and the number of multiplications."""
        return len(self.data)


def cook_toom(points: Sequence[int], taps: int) -> Filtering:
    """F(m, taps) from `m + taps - 2` different integer points, and infinity.

    Args:
        points: where to evaluate the polynomials; small ones round least.
        taps: r, the length of the filter.

    Reference: derived in the module's docstring.
    """
    outputs = len(points) + 2 - taps
    output, kernel, data = [], [], []
    for point in points:
        others = [other for other in points if other != point]
        weight = Fraction(1, math.prod(point - other for other in others))
        output.append([point**k for k in range(outputs)])
        kernel.append([weight * point**k for k in range(taps)])
        data.append([*_coefficients(others), 0])
    output.append([0] * (outputs - 1) + [1])
    kernel.append([Fraction(0)] * (taps - 1) + [Fraction(1)])
    data.append(_coefficients(points))
    denominator = math.lcm(*(number.denominator for row in kernel for number in row))
    return Filtering(
        tuple(zip(*output, strict=True)),
        tuple(tuple(int(number * denominator) for number in row) for row in kernel),
        tuple(tuple(row) for row in data),
        denominator,
    )


def _coefficients(roots: Sequence[int]) -> list[int]:
    """Coefficients of the product of all `(t - root)`, lowest power first."""
    product = [1]
    for root in roots:
        shifted, scaled = [0, *product], [*product, 0]
        product = [s - root * c for s, c in zip(shifted, scaled, strict=True)]
    return product
