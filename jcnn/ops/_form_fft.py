"""Form "fft": products of spectra, for large kernels and for the gradients by them.

`_conv_fft.py` derives it. Here each gradient is a convolution with spectra of its own, so it is
chosen for itself; the method "fft" keeps the spectra of the value for its gradients.
"""

import math

from jcnn.ops._conv_fft import by_spectra
from jcnn.ops._form import Conv, Form

# Below 9x9 a matrix product was faster wherever it was tried.
_CELLS = 81


def _unsupported(conv: Conv) -> str | None:
    cells = min(math.prod(conv.kernel[:2]), math.prod(conv.out))
    if cells < _CELLS:
        return f"{cells} cells of the kernel, or of the gradient by it; at least {_CELLS}"
    return None


FORM = Form(by_spectra, _unsupported, plain=False)
