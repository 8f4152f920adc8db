"""Data sets in memory, the sources they are read from, and pictures for prediction."""

from jcnn.data.dataset import DataError, Dataset, split, stratified_split
from jcnn.data.embedded import digits, mnist5k
from jcnn.data.idx import read_idx, read_idx_dir
from jcnn.data.pictures import read_picture
from jcnn.data.sources import SOURCES, Source, absolute, load

__all__ = [
    "SOURCES",
    "DataError",
    "Dataset",
    "Source",
    "absolute",
    "digits",
    "load",
    "mnist5k",
    "read_idx",
    "read_idx_dir",
    "read_picture",
    "split",
    "stratified_split",
]
