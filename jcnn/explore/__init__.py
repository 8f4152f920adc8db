"""Show every number of a model on an image in one HTML page that works offline."""

from jcnn.explore._epochs import Epochs
from jcnn.explore._example import example_page
from jcnn.explore._learn import most_learn_images
from jcnn.explore._page import Page, page

__all__ = ["Epochs", "Page", "example_page", "most_learn_images", "page"]
