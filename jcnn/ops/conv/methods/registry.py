"""The convolution methods by name."""

from jcnn.ops.conv.method import ConvMethod
from jcnn.ops.conv.methods import by_lowering, fft, im2col, shift

# A new method is a new file that defines `METHOD`, and a line here.
METHODS: dict[str, ConvMethod] = {
    "auto": by_lowering.AUTO,
    "lax": by_lowering.LAX,
    "im2col": im2col.METHOD,
    "shift": shift.METHOD,
    "winograd2": by_lowering.WINOGRAD2,
    "winograd4": by_lowering.WINOGRAD4,
    "fft": fft.METHOD,
    "pallas": by_lowering.PALLAS,
}
