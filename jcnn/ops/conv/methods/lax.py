"""Method "lax": XLA's own convolution, behind a primitive whose gradients stay fast in a loop."""

from functools import partial

from jcnn.ops.conv.methods.by_lowering import conv2d_by_form
from jcnn.ops.conv.method import ConvMethod

METHOD = ConvMethod(partial(conv2d_by_form, form="lax"))
