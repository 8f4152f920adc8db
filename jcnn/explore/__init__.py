"""The explorer: any model, any picture, every number, in one HTML page that opens offline."""

from jcnn.explore._page import Page, page

__all__ = ["Page", "page"]
