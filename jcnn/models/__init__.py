"""The model zoo, and the summary and intermediates of any model."""

from jcnn.layers import intermediates
from jcnn.models.rows import LayerRow, count_params
from jcnn.models.summary import Summary, summary, zoo_summary
from jcnn.models.zoo import ZOO, build, zoo_entry

__all__ = [
    "ZOO",
    "LayerRow",
    "Summary",
    "build",
    "count_params",
    "intermediates",
    "summary",
    "zoo_entry",
    "zoo_summary",
]
