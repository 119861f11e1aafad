"""A user's own network in place of the `AttentionLSTM`: the interface it must have, and the module that wraps it.

Letters in shape comments: B batch, T time, F inputs, L lookback, K horizons.
"""

from __future__ import annotations

import inspect
import linecache
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenor.config import ModelConfig
from tenor.config.network_code import pinned
from tenor.errors import ConfigError, one_line
from tenor.heads import HEADS
from tenor.model.attention_lstm import SMALLEST, Output

NAMES = tuple(head.name for head in HEADS)
REQUIRED = "log_variance"
"""The head that every network must have: intervals, quantiles and value at risk come from it."""
OPTIONAL = " and ".join(name for name in NAMES if name != REQUIRED)
WEIGHTS = ("time_weights", "feature_weights")
"""Weights of attention, which a network may return with its heads."""


class OwnNetwork(Protocol):
    """The interface of a class named by ``model.network``: an ``nn.Module`` with this constructor and ``forward``.

    Parameters
    ----------
    config
        The section [model] of the settings.
    n_features
        F, the width of the input: the scaled features, then the variance of the session (0 if there is none).
    n_horizons
        K, the number of horizons that are forecast.
    **options
        The keys of [model.options].
    """

    def __init__(self, config: ModelConfig, n_features: int, n_horizons: int, **options: Any) -> None: ...

    def forward(self, x: Tensor) -> Mapping[str, Tensor] | Output:
        """Forecast at every step of `x` [B, T, F] from this step and those before it.

        Returns
        -------
        mapping of str to Tensor
            From the names of heads to outputs [B, T, K] float32. ``log_variance`` is required: the log of the mean
            variance of a session over the horizon. ``mean`` is the return in units of its volatility; without it, a
            return of 0 is forecast. ``up_logit`` is the log-odds of a rise; without it, those of the training part are
            used. ``time_weights`` [B, T, K, L] and ``feature_weights`` [B, T, F - 1], both or none, are shown as
            attention.
        """


def pooled_log_variance(x: Tensor, sessions: int) -> Tensor:
    """The log of the mean variance of the last `sessions` sessions, of those that have one.

    It is a good starting point for a network's forecast of risk.

    Parameters
    ----------
    x
        [B, T, F]; the input of your network; the variance is its last column.
    sessions
        How many sessions, including the current one.

    Returns
    -------
    Tensor
        [B, T, 1]; the log of the mean variance at each step.
    """
    variance = x[..., -1]
    sums = _sums(torch.stack((variance, (variance > 0).to(x.dtype)), 1), sessions)  # [B, 2, T]
    return torch.log((sums[:, 0] / sums[:, 1].clamp(min=1)).clamp(min=SMALLEST))[..., None]


def _sums(values: Tensor, length: int) -> Tensor:
    """[B, C, T]; the sum of each value with the `length` - 1 before it."""
    means: Tensor = functional.avg_pool1d(functional.pad(values, (length - 1, 0)), length, 1)
    return means * length


class FramedNetwork(nn.Module):
    """A user's network with a bias for each head, so that training starts at the right level.

    A head that the network leaves out is its bias alone. Errors of the network, and outputs that do not follow
    `OwnNetwork`, are reported in one line.

    Parameters
    ----------
    config
        Settings with a `network` whose code is available.
    n_features, n_horizons
        Number of features (the input has the variance as well), and number of horizons that are forecast.

    Raises
    ------
    ConfigError
        The code can't be run, or the network does not follow `OwnNetwork`.
    """

    def __init__(self, config: ModelConfig, n_features: int, n_horizons: int) -> None:
        super().__init__()
        self.config = config
        self.n_features, self.n_horizons = n_features, n_horizons
        self.inner = constructed(config, n_features + 1, n_horizons)
        self.inner.eval()
        with torch.no_grad():
            first = self.given(torch.zeros(1, 2, n_features + 1))
        self.inner.train()
        self.gives = tuple(name for name in NAMES if name in first)
        self.attends = WEIGHTS[0] in first
        self.levels = nn.ParameterDict(
            # what the network does not forecast is not trained either
            {name: nn.Parameter(torch.zeros(n_horizons), requires_grad=name in self.gives) for name in NAMES}
        )

    def level(self, head: str) -> Tensor:
        """[K]; the bias of `head`, which is added to its output."""
        level: Tensor = self.levels[head]
        return level

    def forward(self, x: Tensor) -> Output:
        """Predict at every step of `x` [B, T, F + 1], as `AttentionLSTM.forward` does."""
        given = self.given(x)
        nothing = torch.zeros_like(x[..., :1])
        heads = {name: given.get(name, nothing) + self.levels[name] for name in NAMES}
        weights = [given[name].detach() if name in given else None for name in WEIGHTS]
        return Output(heads, *weights)

    def given(self, x: Tensor) -> dict[str, Tensor]:
        """The output of the user's network for `x`, checked against `OwnNetwork`.

        Raises
        ------
        ConfigError
            The network raised, or its output has wrong names, types or shapes.
        """
        try:
            output = self.inner(x)
        except (Exception, SystemExit) as error:
            why = raised(error, self.config)
            raise ConfigError(f"{label(self.config)} raised {why} on x {list(x.shape)}.") from error
        if isinstance(output, Output):
            output = {**output.heads, **{k: v for k in WEIGHTS if (v := getattr(output, k)) is not None}}
        if not isinstance(output, Mapping):
            raise ConfigError(
                f"{label(self.config)} returns {_kind(output)}; forward returns a dict of heads, such as "
                f"{{'{REQUIRED}': [batch, time, horizons]}}."
            )
        if not torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
            self._check(output, x)
        return dict(output)

    def _check(self, output: Mapping[str, Any], x: Tensor) -> None:
        who = label(self.config)
        unknown = [str(name) for name in output if name not in (*NAMES, *WEIGHTS)]
        if unknown:
            raise ConfigError(
                f"{who} returns the head {unknown[0]!r}; heads are {', '.join(NAMES)}: rename or drop it."
            )
        if REQUIRED not in output:
            raise ConfigError(
                f"{who} returns {', '.join(map(repr, output)) or 'no head'} and no {REQUIRED!r}; intervals and "
                f"quantiles come from it: return it as well; {OPTIONAL} may be left out."
            )
        if (WEIGHTS[0] in output) != (WEIGHTS[1] in output):
            raise ConfigError(f"{who} returns one of {' and '.join(WEIGHTS)}: return both or none.")
        steps = (x.shape[0], x.shape[1])
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(NAMES, (*steps, self.n_horizons))
        shapes |= {
            WEIGHTS[0]: (*steps, self.n_horizons, self.config.lookback),
            WEIGHTS[1]: (*steps, self.n_features),
        }
        for name, tensor in output.items():
            if not isinstance(tensor, Tensor):
                raise ConfigError(f"{who} returns {_kind(tensor)} as {name!r}; it has to be a tensor {_text(name)}.")
            if tuple(tensor.shape) != shapes[name]:
                raise ConfigError(
                    f"{who} returns {name!r} of shape {list(tensor.shape)} for x {list(x.shape)}; it has to be "
                    f"{_text(name)}, here {list(shapes[name])}."
                )
            if tensor.dtype != torch.float32:
                raise ConfigError(f"{who} returns {name!r} as {_dtype(tensor)}; it has to be float32: add .float().")


def constructed(config: ModelConfig, width: int, n_horizons: int) -> nn.Module:
    """An instance of the user's network; raises ConfigError if it can't be made."""
    kind = _class(config)
    arguments = (config, width, n_horizons)
    try:
        inspect.signature(kind).bind(*arguments, **config.options)
    except TypeError as error:
        options = "".join(f", {key}={value!r}" for key, value in config.options.items())
        raise ConfigError(
            f"{label(config)} can't be called as {kind.__name__}(config, n_features, n_horizons{options}): {error}. "
            "Write its constructor so; keywords come from [model.options]."
        ) from None
    except ValueError:  # the constructor has no signature: an error shows when it is called
        pass
    try:
        with _same_dtype():
            network = kind(*arguments, **config.options)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{label(config)} raised {raised(error, config)} when it was made.") from error
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{label(config)} makes {_kind(network)}; it has to be a torch.nn.Module.")
    return network


def label(config: ModelConfig) -> str:
    """The name of the network in messages."""
    name = pinned(config.network)
    return f"network {config.network}" if name is None else f"network {name.file}:{name.name}"


def _class(config: ModelConfig) -> type[nn.Module]:
    name = pinned(config.network)
    assert name is not None
    if not config.code:
        raise ConfigError(
            f"the code of network {config.network} is not at hand: name its file, path/to/{name.file}:{name.name}."
        )
    kind = getattr(_module(config), name.name, None)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ConfigError(f"{label(config)} is {_kind(kind)}; it has to be a class that extends torch.nn.Module.")
    return kind


def _module(config: ModelConfig) -> ModuleType:
    """The module of the network's file, run once for each text in a process."""
    name = pinned(config.network)
    assert name is not None
    known = f"tenor_network_{name.digest}"
    if known in sys.modules:
        return sys.modules[known]
    module = ModuleType(known)
    where = _where(config)
    module.__file__ = where
    sys.modules[known] = module  # dataclasses, among others, look their module up by name
    # so that tracebacks and `inspect` show the text that is run, even if the file has moved
    linecache.cache[where] = (len(config.code), None, config.code.splitlines(keepends=True), where)
    try:
        # random numbers that the file draws, or a seed that it sets, would affect only the process that runs it first
        with torch.random.fork_rng(devices=[]), _same_dtype():
            exec(compile(config.code, where, "exec"), module.__dict__)  # noqa: S102 (the user named it to be run)
    except (Exception, SystemExit) as error:
        del sys.modules[known]
        raise ConfigError(f"{name.file} can't be run: {raised(error, config)}.") from error
    return module


@contextmanager
def _same_dtype() -> Iterator[None]:
    """Torch's default type is that of the whole process, the other networks in it too."""
    before = torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _where(config: ModelConfig) -> str:
    """The name of the code in tracebacks."""
    name = pinned(config.network)
    assert name is not None
    return f"<{name.file} {name.digest}>"


def raised(error: BaseException, config: ModelConfig) -> str:
    """`error` as a text with its place in the user's file: ``ValueError: text (mine.py, line 7)``."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _where(config)]
    name = pinned(config.network)
    place = f" ({name.file}, line {lines[-1]})" if lines and name is not None else ""
    text = one_line(error, 200).rstrip(".")
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


def _kind(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else f"a {type(value).__name__}"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _text(name: str) -> str:
    """The shape of what is called `name`, in words."""
    own = {WEIGHTS[0]: "[batch, time, horizons, lookback]", WEIGHTS[1]: "[batch, time, features]"}
    return own.get(name, "[batch, time, horizons]")
