"""Checks of a user's network before it is trained: that it uses only the past, and can be saved and served.

A network gets whole sequences, so nothing in their shape keeps it from using the future. Its outputs up to a step are
therefore compared before and after everything later is replaced, in evaluation and in training mode, at several steps.
In the same way the outputs of a symbol are compared before and after the other symbols are replaced. The checks use
networks that are made for them and thrown away. How a network behaves at other lengths, with more symbols, or after
training is checked when it forecasts (`require_honest`).

Letters in shape comments: B batch, T time, F inputs, K horizons.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NoReturn
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from tenor.config import ModelConfig
from tenor.errors import ConfigError
from tenor.model.attention_lstm import Output
from tenor.model.export import sample, to_onnx
from tenor.model.own_network import REQUIRED, FramedNetwork, label, raised
from tenor.model.reproducible import reproducible

TOLERANCE = 1e-5
"""Outputs whose relative difference is smaller count as equal, since sums are not always added in the same order."""
SYMBOLS = 3
AHEAD = 252
"""How many sessions a panel may grow before its network is trained anew; the checks include such lengths."""
NOISE = 0.1
"""Standard deviation of the noise that is added to weights."""
FACTOR = 50.0
"""Factor by which future inputs are multiplied, so that even a weak use of them is noticed."""


def admit(config: ModelConfig, n_features: int, n_horizons: int, *, sessions: int) -> None:
    """Raise if a user's network can't be trained, saved or served, or looks ahead; otherwise do nothing.

    A network that was admitted in this process is not checked again.

    Parameters
    ----------
    config
        Settings that name the network; tenor's own network is not checked.
    n_features, n_horizons
        Number of features (the input has the variance as well), and number of horizons that are forecast.
    sessions
        Number of sessions of the panel.

    Raises
    ------
    ConfigError
        The network can't be used; the message says in one line which network, why, and what to do.
    """
    if not config.network:
        return
    key = (repr(config), n_features, n_horizons, sessions)  # the config includes the text of the network's file
    if key in _admitted:
        return
    with reproducible():
        _Admission(config, n_features, n_horizons, sessions).run()
    _admitted.add(key)


_admitted: set[tuple[str, int, int, int]] = set()
"""The networks that were admitted in this process."""


_honest: WeakKeyDictionary[FramedNetwork, set[tuple[int, ...]]] = WeakKeyDictionary()
"""Trained networks, with the shapes of input on which each was shown to use only the past."""


def require_honest(network: FramedNetwork, x: Tensor, out: Output) -> None:
    """Raise if a trained network uses later sessions or other symbols on the input that it forecasts from.

    `admit` can't try every length and number of symbols, nor find what a network does only after many runs. The check
    is made once for each network and shape of input.

    Parameters
    ----------
    network
        The network, in evaluation mode.
    x
        [B, T, F + 1]; its input.
    out
        Its output for `x`.

    Raises
    ------
    ConfigError
        Outputs up to a session change when later sessions do, or those of a symbol when others do.
    """
    symbols, time, _ = x.shape
    seen = _honest.setdefault(network, set())
    if tuple(x.shape) in seen:
        return
    where = f"{label(network.config)}, on the {symbols} symbols and {time} sessions that it forecasts,"
    other = FACTOR * sample(symbols, time, network.n_features, seed=3)
    for step in sorted({time // 2, time - 2} & set(range(time - 1))):
        changed = x.clone()
        changed[:, step + 1 :] = other[:, step + 1 :]
        for name, tensor in network(changed).heads.items():
            if _moved(out.heads[name][:, : step + 1], tensor[:, : step + 1]).any():
                raise ConfigError(
                    f"{where} looks ahead: {name!r} changes when sessions after {step} do. Let every step use itself "
                    "and those before it, whatever the shape of x, and keep nothing from run to run."
                )
    if symbols > 1:
        changed = x.clone()
        changed[1::2] = other[1::2]
        for name, tensor in network(changed).heads.items():
            if _moved(out.heads[name][::2], tensor[::2]).any():
                raise ConfigError(
                    f"{where} mixes symbols: {name!r} of one changes when others do. Compute each row by itself, "
                    "whatever the shape of x, and keep nothing from run to run."
                )
    seen.add(tuple(x.shape))


class _Admission:
    """The checks, in the order in which their failure is easiest to understand."""

    def __init__(self, config: ModelConfig, n_features: int, n_horizons: int, sessions: int) -> None:
        self.config, self.who = config, label(config)
        self.length = sessions + AHEAD
        self.make: Callable[[], FramedNetwork] = lambda: FramedNetwork(config, n_features, n_horizons)
        self.x = sample(SYMBOLS, self.length, n_features)

    def run(self) -> None:
        """All checks; raises ConfigError for the first that fails."""
        try:
            self._run()
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(f"{self.who} raised {raised(error, self.config)} when it was checked.") from error

    def _run(self) -> None:
        network = self._made(0)
        self._check_tensors(network)
        self._check_first_weights(network)
        self._check_outputs(network)
        self._check_gradients(network)
        shaken = self._shaken()
        self._check_repeats(shaken)
        self._check_past_only(shaken)
        self._check_symbols_apart(shaken)
        self._check_small(shaken)
        self._check_saving()
        to_onnx([shaken.eval()])

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigError(f"{self.who} {what}")

    def _made(self, seed: int) -> FramedNetwork:
        torch.manual_seed(seed)
        return self.make()

    def _shaken(self) -> FramedNetwork:
        """A network with noise on its weights: heads often start at zero, and would hide what lies below them."""
        network = self._made(0)
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.is_floating_point():
                    parameter.add_(NOISE * torch.randn_like(parameter))
        return network

    def _check_tensors(self, network: FramedNetwork) -> None:
        state = network.inner.state_dict()
        for name, value in state.items():
            if not isinstance(value, Tensor):
                self._refuse(
                    f"has {type(value).__name__} {name!r} in its state_dict; only tensors are saved: keep settings in "
                    "[model.options], and drop get_extra_state."
                )
            if isinstance(value, UninitializedTensorMixin):
                self._refuse(f"has the lazy tensor {name!r}, which no run of it made: give layers their sizes.")
            if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
                self._refuse(f"has {name!r} as a tensor that is not dense on the CPU: make it one.")
            if (value.is_floating_point() and value.dtype != torch.float32) or value.is_complex():
                self._refuse(
                    f"has {name!r} as {str(value.dtype).removeprefix('torch.')}; weights are float32: drop .double() "
                    "or .half()."
                )
        if not any(parameter.requires_grad for parameter in network.inner.parameters()):
            self._refuse("has no parameter to train: make its layers in __init__ and assign them to self.")

    def _check_first_weights(self, network: FramedNetwork) -> None:
        again, drawn = self._made(0).state_dict(), torch.get_rng_state()
        self._made(1)
        if torch.equal(drawn, torch.get_rng_state()):
            self._refuse("sets torch's seed, so that all seeds of an ensemble would be one: drop torch.manual_seed.")
        for name, value in network.state_dict().items():
            if name not in again or not _equal(value, again[name]):
                self._refuse(
                    f"starts with another {name.removeprefix('inner.')!r} each time it is made, and the same seed has "
                    "to give the same model: draw it from torch's generator."
                )

    def _check_outputs(self, network: FramedNetwork) -> None:
        x = self.x.clone()
        with torch.no_grad():
            given = network.eval().given(x)
        if not torch.equal(x, self.x):
            self._refuse(
                "changes x, which is not its own: write x = x * 2 in place of x *= 2, or copy it with x.clone()."
            )
        self._check_finite(given)

    def _check_small(self, network: FramedNetwork) -> None:
        network.eval()
        for symbols, time in ((1, 1), (2, 5)):
            with torch.no_grad():
                self._check_finite(network.given(self.x[:symbols, :time]))

    def _check_finite(self, given: dict[str, Tensor]) -> None:
        for name, tensor in given.items():
            if not tensor.isfinite().all():
                self._refuse(
                    f"gives {_first_odd(tensor)} as {name!r} before any training; sessions without a bar are all 0, "
                    "their variance too: keep logs, roots and divisions away from 0, for example by clamp."
                )

    def _check_repeats(self, network: FramedNetwork) -> None:
        state = copy.deepcopy(network.eval().state_dict())
        with torch.no_grad():
            first, second = network.given(self.x), network.given(self.x)
        for name in first:
            if not torch.equal(first[name], second[name]):
                self._refuse(
                    f"gives another {name!r} each time in evaluation mode: switch dropout and noise off when "
                    "self.training is False (nn.Dropout does)."
                )
        for name, value in network.state_dict().items():
            if not _equal(value, state[name]):
                self._refuse(
                    f"changes its {name.removeprefix('inner.')!r} when it predicts; forecasts would depend on what was "
                    "forecast before: change nothing in forward."
                )

        network.train()
        first, second = self._outputs(network), self._outputs(network)
        for name in first:
            if not torch.equal(first[name], second[name]):
                self._refuse(
                    f"gives another {name!r} for the same input and random numbers in training mode, and the same seed "
                    "has to give the same model: draw from torch's generator, and keep nothing from run to run."
                )

    def _check_gradients(self, network: FramedNetwork) -> None:
        network.train()
        torch.manual_seed(0)
        given = network.given(self.x[:, -64:])
        parameters = [parameter for parameter in network.inner.parameters() if parameter.requires_grad]
        for name in network.gives:
            gradients: tuple[Tensor | None, ...] = ()
            if given[name].requires_grad:
                weights = torch.randn(given[name].shape, generator=torch.Generator().manual_seed(1))
                gradients = torch.autograd.grad(
                    (given[name] * weights).sum(), parameters, allow_unused=True, retain_graph=True
                )
            if not any(gradient is not None and bool((gradient != 0).any()) for gradient in gradients):
                self._refuse(
                    f"gives {name!r} without a gradient to any parameter, so that it can't be trained: drop detach or "
                    f"no_grad{'' if name == REQUIRED else ', or leave this head out'}."
                )

    def _check_past_only(self, network: FramedNetwork) -> None:
        future = FACTOR * sample(SYMBOLS, self.length, network.n_features, seed=1)
        for training in (False, True):
            network.train(training)
            before = self._outputs(network)
            for step in sorted({0, self.length // 3, self.length - 40, self.length - 2} & set(range(self.length - 1))):
                changed = self.x.clone()
                changed[:, step + 1 :] = future[:, step + 1 :]
                self._refuse_ahead(before, self._outputs(network, changed), step, training=training)
                if not training:
                    self._refuse_ahead(before, self._outputs(network, self.x[:, : step + 1]), step, training=False)

    def _refuse_ahead(self, before: dict[str, Tensor], after: dict[str, Tensor], step: int, *, training: bool) -> None:
        for name, tensor in before.items():
            moved = _moved(tensor[:, : step + 1], after[name][:, : step + 1])
            if moved.any():
                when = " in training mode" if training else ""
                first = int(moved.flatten(2).any(-1).any(0).nonzero()[0, 0])
                self._refuse(
                    f"looks ahead: {name!r} at session {first} changes{when} when sessions after {step} do. Every step "
                    "may use itself and those before it: pad convolutions on the left alone, mask attention, take no "
                    "mean over time" + (", and no BatchNorm (LayerNorm over features is fine)." if training else ".")
                )

    def _check_symbols_apart(self, network: FramedNetwork) -> None:
        other = FACTOR * sample(SYMBOLS, self.length, network.n_features, seed=2)
        for training in (False, True):
            network.train(training)
            before = self._outputs(network)
            for row in range(SYMBOLS):
                changed = other.clone()
                changed[row] = self.x[row]
                after = self._outputs(network, changed)
                for name, tensor in before.items():
                    if _moved(tensor[row], after[name][row]).any():
                        self._refuse_mixed(name, training=training)
        network.eval()
        before, alone = self._outputs(network), self._outputs(network, self.x[-1:])
        for name, tensor in before.items():
            if _moved(tensor[-1:], alone[name]).any():
                self._refuse_mixed(name, training=False)

    def _refuse_mixed(self, name: str, *, training: bool) -> None:
        when = " in training mode" if training else ""
        self._refuse(
            f"mixes symbols: {name!r} of one changes{when} when the others do, and a batch holds whichever symbols "
            "come together: compute each row by itself (LayerNorm in place of BatchNorm, batch_first=True)."
        )

    def _check_saving(self) -> None:
        network = self._made(0)
        optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-2)
        torch.manual_seed(0)
        for _ in range(2):
            optimiser.zero_grad()
            out = network(self.x[:, -64:])
            torch.stack([head.square().mean() for head in out.heads.values()]).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        again = self._made(1)
        again.load_state_dict(copy.deepcopy(network.state_dict()))
        one, other = self._outputs(network.eval()), self._outputs(again.eval())
        for name, tensor in one.items():
            if _moved(tensor, other[name]).any():
                self._refuse(
                    f"gives another {name!r} once it is saved and loaded: what it learns or draws has to be a "
                    "parameter or a buffer (register_buffer), not a plain attribute."
                )

    def _outputs(self, network: FramedNetwork, x: Tensor | None = None) -> dict[str, Tensor]:
        """What `network` gives, with the same random numbers every time, and left as it was."""
        state = copy.deepcopy(network.state_dict())
        torch.manual_seed(0)
        with torch.no_grad():
            given = network.given((self.x if x is None else x).clone())
        network.load_state_dict(state)  # in training mode, batch norms change with their input
        return given


def _moved(one: Tensor, other: Tensor) -> Tensor:
    """Where two outputs are not the same."""
    return ~torch.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)


def _equal(one: object, other: object) -> bool:
    return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)


def _first_odd(tensor: Tensor) -> str:
    return f"{float(tensor[~tensor.isfinite()][0])}".replace("nan", "NaN").replace("inf", "infinity")
