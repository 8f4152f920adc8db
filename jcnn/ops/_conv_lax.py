"""Method "lax": XLA's own convolution, behind a primitive whose gradients stay fast in a loop."""

from functools import partial

from jcnn.ops._conv_by_form import conv2d_by_form
from jcnn.ops._conv_method import ConvMethod

METHOD = ConvMethod(partial(conv2d_by_form, form="lax"))
