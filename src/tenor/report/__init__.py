"""The report: one self-contained HTML file, with the answers at the top, folded details, and a glossary."""

from tenor.report.page import Answer, Fold, PageSection, Paragraph, Picture, TextTable
from tenor.report.write import NewsDetails, ReportExtras, write_report

__all__ = [
    "Answer",
    "Fold",
    "NewsDetails",
    "PageSection",
    "Paragraph",
    "Picture",
    "ReportExtras",
    "TextTable",
    "write_report",
]
