"""The report: one self-contained HTML file, figures and tables, and the verdict in plain words at its top."""

from tenor.report.page import Paragraph, Picture, Section, Table
from tenor.report.write import write_report

__all__ = ["Paragraph", "Picture", "Section", "Table", "write_report"]
