"""The lowerings by name."""

from jcnn.ops.conv.lowerings import (
    fft,
    groups,
    lax,
    native_depthwise,
    native_winograd,
    pallas,
    phases,
    rows,
    taps,
    winograd,
)
from jcnn.ops.conv.lowerings.lowering import Lowering

# A new lowering is a new file that defines `LOWERING`, and a line here.
LOWERINGS: dict[str, Lowering] = {
    "lax": lax.LOWERING,
    "phases": phases.LOWERING,
    "taps": taps.LOWERING,
    "rows": rows.LOWERING,
    "groups": groups.LOWERING,
    "fft": fft.LOWERING,
    "native": native_winograd.LOWERING,
    "native_depthwise": native_depthwise.LOWERING,
    "winograd2": winograd.LOWERING2,
    "winograd4": winograd.LOWERING4,
    "pallas": pallas.LOWERING,
}
