"""The report of a run: one HTML page that needs nothing beside it, and its pictures as PNG."""

from jcnn.report.population import write_population_report
from jcnn.report.run_page import write_report

__all__ = ["write_population_report", "write_report"]
