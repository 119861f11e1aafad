"""What others reported on the same sets, with what has to be known when a row is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published row. `accuracy` in percent; NaN is not used: a figure that was not given is None."""

    model: str
    accuracy: float | None
    mcc: float | None
    remark: str = ""


NOT_BELIEVED = "reported, not believed: test sets mixed, or code that can't be run"

ACL18 = (
    Published("LSTM", 52.75, 0.064, "rerun by the authors of SLOT"),
    Published("ALSTM", 54.90, 0.104, "in the paper on Adv-ALSTM"),
    Published("ALSTM", 51.82, 0.043, "rerun by the authors of SLOT"),
    Published("Adv-ALSTM", 57.20, 0.148, "own paper; its run starts from a supplied checkpoint"),
    Published("Adv-ALSTM", 53.11, 0.069, "rerun by the authors of SLOT"),
    Published("StockNet", 58.23, 0.081, "own paper; likely on the 1,008 samples with text on each of 5 days"),
    Published("StockNet", 53.60, -0.025, "rerun by the authors of SLOT"),
    Published("DTML", 58.12, 0.181, "rerun by the authors of SLOT"),
    Published("SLOT", 58.72, 0.207),
    Published("MAN-SF", 60.8, 0.195, NOT_BELIEVED),
    Published("PEN", 59.9, 0.156, NOT_BELIEVED),
    Published("CMIN", 62.7, 0.209, NOT_BELIEVED),
    Published("CausalStock", 63.4, 0.217, NOT_BELIEVED),
)

KDD17 = (
    Published("LSTM", 51.62, 0.018, "in the paper on Adv-ALSTM"),
    Published("ALSTM", 51.94, 0.026, "in the paper on Adv-ALSTM"),
    Published("Adv-ALSTM", 53.05, 0.052, "own paper; its run starts from a supplied checkpoint"),
    Published("DTML", 53.53, 0.073),
    Published("CausalStock", 56.09, 0.124, NOT_BELIEVED),
)
