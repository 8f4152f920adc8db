"""The report of a run: one HTML page that needs nothing beside it; and pictures for slides."""

from jcnn.report.convolution_gif import convolution_gif
from jcnn.report.diagram import network_diagram
from jcnn.report.population import write_population_report
from jcnn.report.run_page import write_report

__all__ = ["convolution_gif", "network_diagram", "write_population_report", "write_report"]
