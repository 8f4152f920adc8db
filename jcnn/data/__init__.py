"""Data sets, the sources that they are read from, and image files for prediction."""

from jcnn.data.dataset import Dataset, split, stratified_split
from jcnn.data.errors import DataError
from jcnn.data.events import Note, Notify, Reading
from jcnn.data.image_files import read_image
from jcnn.data.preprocessing import Preprocessing
from jcnn.data.sources import SOURCES, load
from jcnn.data.sources.embedded import digits, mnist5k
from jcnn.data.sources.idx import read_idx, read_idx_dir
from jcnn.data.sources.npz import read_npz
from jcnn.data.streamed import StreamedImages
from jcnn.data.validation_split import split_validation

__all__ = [
    "SOURCES",
    "DataError",
    "Dataset",
    "Note",
    "Notify",
    "Preprocessing",
    "Reading",
    "StreamedImages",
    "digits",
    "load",
    "mnist5k",
    "read_idx",
    "read_idx_dir",
    "read_image",
    "read_npz",
    "split",
    "split_validation",
    "stratified_split",
]
