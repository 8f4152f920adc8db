"""Method "auto": each convolution in the form that was measured to be fastest for it.

The convolution and its gradients are the same primitive as of "lax". What differs is how each of
them is written for the compiler: `_forms.py` has the ways, `_conv_table.py` chooses among them by
platform, dtype, shapes and parameters.
"""

from functools import partial

from jcnn.ops.conv.methods.by_lowering import conv2d_by_form
from jcnn.ops.conv.method import ConvMethod

METHOD = ConvMethod(partial(conv2d_by_form, form="auto"))
