"""Scaling of features to mean 0 and standard deviation 1, measured on the training part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tenor.errors import HistoryError, ModelError
from tenor.schema import Float32, Panel

LIMIT = 5.0
"""Scaled values are clipped at ± this, so that fat tails and wrong bars do not dominate the network."""
AT_ONCE = 8
"""Features of all cells that are in memory together while their mean and spread are taken."""
ROWS = 20_000
"""Cells of all features that are scaled together."""


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each feature over the cells on which the scaler was fitted.

    Attributes
    ----------
    features
        The names, in the panel's order.
    mean, std
        One number each; `std` is 0 for a feature that was constant.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, panel: Panel, rows: slice) -> Scaler:
        """Fit on the cells of the sessions `rows` (the training part) whose mask is True, and on no others.

        Raises
        ------
        HistoryError
            The mask is False everywhere in `rows`.
        """
        mask = panel.mask[rows]
        if not mask.any():
            raise HistoryError(
                f"the training part has {len(mask)} sessions and not one usable cell to fit the scaler on: "
                "start it earlier, end it later or import more history."
            )
        mean, std = [], []
        for start in range(0, len(panel.features), AT_ONCE):  # a panel in files is read once for so many
            of_some = panel.values[rows, :, start : start + AT_ONCE][mask]  # [cells, features]
            for column in of_some.T:
                cells = column.astype(np.float64)
                constant = bool((cells == cells[0]).all())
                mean.append(float(cells[0] if constant else cells.mean()))
                std.append(0.0 if constant else float(cells.std()))
        return cls(panel.features, tuple(mean), tuple(std))

    def transform(self, panel: Panel, zeros: Callable[[tuple[int, ...], Any], Float32] = np.zeros) -> Panel:
        """`panel` with values scaled and clipped to ±`LIMIT`; constant features, and cells whose mask is False, are 0.

        Parameters
        ----------
        panel
            Its features are those that this was fitted on.
        zeros
            Makes the array that the values go to.

        Raises
        ------
        ModelError
            The panel's features are not the ones this scaler was fitted on, in this order.
        """
        self._match(panel)
        values = zeros(panel.values.shape, np.float32)
        mean, std = np.array(self.mean), np.array(self.std)
        some = ROWS // max(1, len(panel.symbols)) + 1
        for start in range(0, len(values), some):
            rows = slice(start, start + some)
            scaled = (panel.values[rows].astype(np.float64) - mean) / np.where(std > 0, std, 1)
            known = panel.mask[rows, :, None] & (std > 0)
            values[rows] = np.where(known, np.clip(scaled, -LIMIT, LIMIT), 0)
        return replace(panel, values=values)

    def to_mapping(self) -> dict[str, Any]:
        """Lists and texts, fit for JSON; `from_mapping` reads them back, the same to the bit."""
        return {"features": list(self.features), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Scaler:
        """Read what `to_mapping` wrote.

        Raises
        ------
        ModelError
            A key is missing or unknown, the lists differ in length, or a number is not finite (or a spread negative).
        """
        if set(values) != {"features", "mean", "std"}:
            raise ModelError(f"scaler: its keys are {sorted(values)}, not features, mean, std: save the model again.")
        features, mean, std = (list(values[key]) for key in ("features", "mean", "std"))
        if not len(features) == len(mean) == len(std):
            raise ModelError(
                f"scaler: {len(features)} features, {len(mean)} means and {len(std)} spreads: save the model again."
            )
        for name, m, s in zip(features, mean, std, strict=True):
            if not (isinstance(m, float) and isinstance(s, float) and np.isfinite([m, s]).all() and s >= 0):
                raise ModelError(
                    f"scaler: mean {m!r} and spread {s!r} of {name!r} can't be used: save the model again."
                )
        return cls(tuple(map(str, features)), tuple(mean), tuple(std))

    def _match(self, panel: Panel) -> None:
        missing = ", ".join(f for f in self.features if f not in panel.features)
        extra = ", ".join(f for f in panel.features if f not in self.features)
        wrong = [f"the panel lacks {missing}"] if missing else []
        wrong += [f"the model does not know {extra}"] if extra else []
        if self.features != panel.features:
            raise ModelError(
                f"features do not match the model's: {'; '.join(wrong) or 'their order differs'}. "
                "Build the panel with the model's own feature config, and with sentiment if it was trained with it."
            )
