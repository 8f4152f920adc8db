"""Data sets, the sources they are read from, and pictures for prediction."""

from jcnn.data.class_names import match_classes
from jcnn.data.dataset import DataError, Dataset, split, stratified_split
from jcnn.data.events import Note, Notify, Reading
from jcnn.data.memory import memory_budget
from jcnn.data.pictures import read_picture
from jcnn.data.request import OnBadImage, Request, Resize
from jcnn.data.sources import SOURCES, Source, load
from jcnn.data.sources.embedded import digits, mnist5k
from jcnn.data.sources.idx import read_idx, read_idx_dir
from jcnn.data.sources.npz import read_npz
from jcnn.data.streamed import Images, StreamedImages
from jcnn.data.validation import Validated, check_validation, split_validation

__all__ = [
    "SOURCES",
    "DataError",
    "Dataset",
    "Images",
    "Note",
    "Notify",
    "OnBadImage",
    "Reading",
    "Request",
    "Resize",
    "Source",
    "StreamedImages",
    "Validated",
    "check_validation",
    "digits",
    "load",
    "match_classes",
    "memory_budget",
    "mnist5k",
    "read_idx",
    "read_idx_dir",
    "read_npz",
    "read_picture",
    "split",
    "split_validation",
    "stratified_split",
]
