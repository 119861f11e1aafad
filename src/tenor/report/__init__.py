"""The report: one self-contained HTML file, figures and tables, and the verdict in plain words at its top."""

from tenor.report.page import PageSection, Paragraph, Picture, TextTable
from tenor.report.write import write_report

__all__ = ["PageSection", "Paragraph", "Picture", "TextTable", "write_report"]
