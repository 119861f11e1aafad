"""A user's own scikit-learn regressor as a baseline, trained on the same cells as tenor's linear and boosted ones."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from tenor.errors import ConfigError, TenorError, one_line
from tenor.evaluation.baselines import SplitLike, TrainingCells, learned
from tenor.schema import Float64, Panel, Predictions
from tenor.user_code import load_object


@dataclass(frozen=True)
class Regressor:
    """A regressor; a new instance is created for every fit.

    Its target is return / (volatility * sqrt(h)), clipped, its inputs are the standardised features of a cell; it is
    trained on the training part alone. P(up) comes from its forecasts by a logistic regression on the validation part.

    Attributes
    ----------
    name
        Name in the results.
    spec
        The text that it was loaded from, for messages.
    source
        An unfitted regressor, or a function or class that returns one when called without arguments.
    """

    name: str
    spec: str
    source: Any

    @classmethod
    def load(cls, spec: str) -> Regressor:
        """Load the regressor that ``path/to/file.py:name`` or ``package.module:name`` names; its module is run.

        Raises
        ------
        ConfigError
            There is no such file, module or name, or the object has no ``fit`` and ``predict``.
        """
        regressor = cls(spec.rpartition(":")[2], spec, load_object(spec))
        regressor.unfitted()  # raise now, not after the first fold was trained
        return regressor

    def unfitted(self) -> Any:
        """A new, unfitted regressor."""
        regressor = self.source
        if isinstance(regressor, type) or not _regresses(regressor):
            if not callable(regressor):
                raise ConfigError(self._no_regressor(regressor))
            try:
                regressor = regressor()
            except Exception as error:
                raise ConfigError(
                    f"baseline {self.spec!r}: calling it without arguments raised {type(error).__name__}: "
                    f"{_line(error)}. It must return an unfitted regressor."
                ) from error
            if not _regresses(regressor):
                raise ConfigError(self._no_regressor(regressor))
        return clone(regressor) if hasattr(regressor, "get_params") else copy.deepcopy(regressor)

    def __call__(self, panel: Panel, split: SplitLike) -> Predictions:
        """Fit it, and predict every cell of the mask.

        Raises
        ------
        TenorError
            It raised, or its forecasts are not one finite number per row.
        """
        return learned(panel, split, self.name, self._fit)

    def _fit(self, cells: TrainingCells) -> tuple[Float64, Float64]:
        model = self.unfitted()
        try:
            model.fit(cells.x_train, cells.y_train)
            raw, valid = model.predict(cells.x), model.predict(cells.x_valid)
        except Exception as error:
            raise TenorError(f"baseline {self.spec!r} raised {type(error).__name__}: {_line(error)}.") from error
        mean = self._checked(raw, len(cells.x))
        of_valid = self._checked(valid, len(cells.x_valid))
        up = cells.up_valid
        if up.all() or not up.any() or np.ptp(of_valid) == 0:  # nothing to learn P(up) from
            return mean, np.full(len(mean), float(cells.up_train.mean()))
        # unpenalised: two parameters from thousands of cells; standardised, so that the solver converges well
        spread = float(of_valid.std())
        direction = LogisticRegression(C=np.inf).fit(of_valid[:, None] / spread, up)
        return mean, direction.predict_proba(mean[:, None] / spread)[:, 1]

    def _checked(self, predictions: Any, rows: int) -> Float64:
        try:
            values = np.asarray(predictions, dtype="float64")
        except (TypeError, ValueError):
            raise TenorError(f"baseline {self.spec!r} predicts {type(predictions).__name__}, not numbers.") from None
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        if values.shape != (rows,):
            raise TenorError(
                f"baseline {self.spec!r} predicts an array of shape {values.shape} for {rows} rows: "
                "it must give one number a row."
            )
        if bad := int((~np.isfinite(values)).sum()):
            raise TenorError(f"baseline {self.spec!r} predicts NaN or infinity in {bad} of {rows} rows.")
        return values

    def _no_regressor(self, thing: Any) -> str:
        lacks = " and ".join(m for m in ("fit", "predict") if not callable(getattr(thing, m, None)))
        return (
            f"baseline {self.spec!r} gives {type(thing).__name__}, which has no {lacks}: "
            "it must be an unfitted scikit-learn regressor, or a function that returns one."
        )


def _regresses(thing: Any) -> bool:
    return callable(getattr(thing, "fit", None)) and callable(getattr(thing, "predict", None))


def _line(error: Exception) -> str:
    return one_line(error, 160).rstrip(".")
