"""The forms by name, and which of them a convolution may take."""

from jcnn.ops.conv.lowerings import native_depthwise as _form_depthwise
from jcnn.ops.conv.lowerings import fft as _form_fft
from jcnn.ops.conv.lowerings import groups as _form_groups
from jcnn.ops.conv.lowerings import lax as _form_lax
from jcnn.ops.conv.lowerings import native_winograd as _form_native
from jcnn.ops.conv.lowerings import pallas as _form_pallas
from jcnn.ops.conv.lowerings import phases as _form_phases
from jcnn.ops.conv.lowerings import rows as _form_rows
from jcnn.ops.conv.lowerings import taps as _form_taps
from jcnn.ops.conv.lowerings import winograd as _form_winograd
from jcnn.ops.conv.lowerings.lowering import Form

# A new form is one new file that ends in `FORM`, and its line here.
FORMS: dict[str, Form] = {
    "lax": _form_lax.FORM,
    "phases": _form_phases.FORM,
    "taps": _form_taps.FORM,
    "rows": _form_rows.FORM,
    "groups": _form_groups.FORM,
    "fft": _form_fft.FORM,
    "native": _form_native.FORM,
    "native_depthwise": _form_depthwise.FORM,
    "winograd2": _form_winograd.FORM2,
    "winograd4": _form_winograd.FORM4,
    "pallas": _form_pallas.FORM,
}
