"""The forms by name, and which of them a convolution may take."""

from jcnn.ops import (
    _form_depthwise,
    _form_fft,
    _form_groups,
    _form_lax,
    _form_native,
    _form_pallas,
    _form_phases,
    _form_rows,
    _form_taps,
    _form_winograd,
)
from jcnn.ops._form import Form

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
