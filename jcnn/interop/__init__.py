"""Models and weights from and for other libraries. Nothing in a file is executed."""

from jcnn.interop.load import Meta, load_model
from jcnn.interop.loaded import Loaded
from jcnn.interop.save import save_model
from jcnn.interop.weights import load_weights

__all__ = ["Loaded", "Meta", "load_model", "load_weights", "save_model"]
