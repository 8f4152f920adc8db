"""Files of other libraries: their weights as NumPy arrays. Nothing in a file is executed."""

from jcnn.interop.loaded import Loaded
from jcnn.interop.weights import load_weights

__all__ = ["Loaded", "load_weights"]
