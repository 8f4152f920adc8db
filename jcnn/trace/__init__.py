"""Show the arithmetic of one layer number by number, and check printed tables against it.

The arithmetic is exact: integers stay ints, other numbers are fractions. Only exp is rounded.
"""

from jcnn.trace.activations import ACTIVATIONS, Activated, activate
from jcnn.trace.check import Check, check
from jcnn.trace.conv import Convolution, ConvStep, convolve
from jcnn.trace.describe_numbers import describe_activation, describe_dropout
from jcnn.trace.describe_vectors import (
    describe_check,
    describe_dense,
    describe_dense_count,
    describe_flatten,
    describe_softmax,
)
from jcnn.trace.describe_windows import describe_conv, describe_im2col, describe_pool
from jcnn.trace.dropout import Dropped, dropout
from jcnn.trace.filters import ConvLayer, convolve_filters, group_filters
from jcnn.trace.grids import Grid, Printed, PrintedStack, Stack, parse_printed, parse_stack
from jcnn.trace.html import to_html
from jcnn.trace.im2col import Im2Col, im2col
from jcnn.trace.markdown import to_markdown
from jcnn.trace.numbers import Number, parse_number, show_number
from jcnn.trace.parts import Block, Cell, Line, Part, Row
from jcnn.trace.pool import Pooling, PoolStep, pool
from jcnn.trace.read import is_picture, join, read_printed, read_stack
from jcnn.trace.terminal import lay_out
from jcnn.trace.vectors import (
    Dense,
    DenseCount,
    Flattened,
    Softmax,
    count_dense,
    dense,
    flatten,
    softmax,
)

__all__ = [
    "ACTIVATIONS",
    "Activated",
    "Block",
    "Cell",
    "Check",
    "ConvLayer",
    "ConvStep",
    "Convolution",
    "Dense",
    "DenseCount",
    "Dropped",
    "Flattened",
    "Grid",
    "Im2Col",
    "Line",
    "Number",
    "Part",
    "PoolStep",
    "Pooling",
    "Printed",
    "PrintedStack",
    "Row",
    "Softmax",
    "Stack",
    "activate",
    "check",
    "convolve",
    "convolve_filters",
    "count_dense",
    "dense",
    "describe_activation",
    "describe_check",
    "describe_conv",
    "describe_dense",
    "describe_dense_count",
    "describe_dropout",
    "describe_flatten",
    "describe_im2col",
    "describe_pool",
    "describe_softmax",
    "dropout",
    "flatten",
    "group_filters",
    "im2col",
    "is_picture",
    "join",
    "lay_out",
    "parse_number",
    "parse_printed",
    "parse_stack",
    "pool",
    "read_printed",
    "read_stack",
    "show_number",
    "softmax",
    "to_html",
    "to_markdown",
]
