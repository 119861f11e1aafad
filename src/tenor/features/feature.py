"""The description of a feature, and the decorator with which code declares it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tenor.schema import Float64

Data = TypeVar("Data")


@dataclass(frozen=True)
class Feature:
    """One column of the panel.

    Attributes
    ----------
    name, group
        Its name and group in settings, reports and plots of attention.
    formula
        The formula as in ``docs/features.md``.
    source
        The function or book that it comes from.
    warmup
        Number of bars of the symbol before the first one at which the feature is known.
    """

    name: str
    group: str
    formula: str
    source: str
    warmup: int = 0


class Declarations(Generic[Data]):
    """The features that are computed from data of one type, in the order in which they are declared.

    An instance is used as the decorator of the function that computes a feature.

    Examples
    --------
    >>> import numpy as np
    >>> feature = Declarations()
    >>> @feature(name="half", group="toys", formula="x / 2", source="arithmetic")
    ... def _half(x):
    ...     return x / 2
    >>> feature.features
    (Feature(name='half', group='toys', formula='x / 2', source='arithmetic', warmup=0),)
    >>> feature.compute(np.array([1.0, 3.0]), ["toys"])
    {'half': array([0.5, 1.5])}
    """

    def __init__(self) -> None:
        self._functions: dict[Feature, Callable[[Data], Float64]] = {}

    def __call__(
        self, *, name: str, group: str, formula: str, source: str, warmup: int = 0
    ) -> Callable[[Callable[[Data], Float64]], Callable[[Data], Float64]]:
        """Declare the feature that the decorated function computes; the arguments are those of `Feature`."""

        def declare(function: Callable[[Data], Float64]) -> Callable[[Data], Float64]:
            self._functions[Feature(name, group, formula, source, warmup)] = function
            return function

        return declare

    @property
    def features(self) -> tuple[Feature, ...]:
        """All declared features."""
        return tuple(self._functions)

    def of(self, groups: Iterable[str]) -> tuple[str, ...]:
        """The names of the features in `groups`, in the order of declaration."""
        chosen = set(groups)
        return tuple(feature.name for feature in self._functions if feature.group in chosen)

    def compute(self, data: Data, groups: Iterable[str]) -> dict[str, Float64]:
        """Compute the features in `groups`; they are returned by name, in the order of declaration."""
        chosen = set(groups)
        return {
            feature.name: function(data) for feature, function in self._functions.items() if feature.group in chosen
        }
