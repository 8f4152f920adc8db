"""Write the report of a run as one self-contained HTML page, and draw figures for slides."""

from jcnn.report.convolution_gif import convolution_gif
from jcnn.report.diagram import network_diagram
from jcnn.report.filter_sheet import filter_sheet
from jcnn.report.population import write_population_report
from jcnn.report.run_page import write_report
from jcnn.report.strips import activation_strips

__all__ = [
    "activation_strips",
    "convolution_gif",
    "filter_sheet",
    "network_diagram",
    "write_population_report",
    "write_report",
]
