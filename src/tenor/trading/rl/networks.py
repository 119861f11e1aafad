"""The policy networks of PPO and SAC: the same small network for every symbol, instead of one over all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import Tensor, nn

from tenor.schema import Float32
from tenor.trading.rl.market import SIGNALS
from tenor.trading.rl.policy import SEEN

HIDDEN = 16
"""Width of the layers."""
_NUMBERS = len(SIGNALS) + 1


class PerSymbol(nn.Module):
    """From observations [account, symbol * number] to [account, symbol * HIDDEN]; all symbols share the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(SEEN, HIDDEN)
        self.second = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, flat: Tensor) -> Tensor:
        """The inputs for a symbol are its numbers and their mean over all symbols."""
        seen = flat.reshape(len(flat), -1, _NUMBERS)
        both = torch.cat((seen, seen.mean(dim=1, keepdim=True).expand_as(seen)), dim=2)
        hidden: Tensor = torch.tanh(self.second(torch.tanh(self.first(both))))
        return hidden.flatten(1)


class OfEach(nn.Module):
    """One number per symbol, from [account, symbol * HIDDEN]."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(HIDDEN, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """[account, symbol]."""
        numbers: Tensor = self.linear(hidden.reshape(len(hidden), -1, HIDDEN))
        return numbers.squeeze(2)


class _Extractor(nn.Module):
    """The MLP extractor of stable-baselines3: one network for the actions, one for the value."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.latent_dim_pi = symbols * HIDDEN
        self.latent_dim_vf = HIDDEN
        self.policy, self.value = PerSymbol(), PerSymbol()

    # names required by stable-baselines3
    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.policy(features)
        return hidden

    def forward_critic(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.value(features)
        return hidden.reshape(len(hidden), -1, HIDDEN).mean(dim=1)


class PpoPolicy(ActorCriticPolicy):
    """PPO's policy with `PerSymbol` networks."""

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.action_space, spaces.Box)
        self.mlp_extractor = _Extractor(self.action_space.shape[0])

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = OfEach()
        nn.init.orthogonal_(self.action_net.linear.weight, 0.01)  # initial actions are near 0
        nn.init.zeros_(self.action_net.linear.bias)
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)


class _SacActor(Actor):
    """SAC's actor with `PerSymbol` networks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.latent_pi = PerSymbol()
        self.mu, self.log_std = OfEach(), OfEach()
        nn.init.orthogonal_(self.mu.linear.weight, 0.01)
        nn.init.zeros_(self.mu.linear.bias)


class SacPolicy(SACPolicy):
    """SAC's policy with `PerSymbol` networks; its critics see all symbols at once."""

    def make_actor(self, features_extractor: Any = None) -> Actor:
        """The actor."""
        keys = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return _SacActor(**keys).to(self.device)


def weights_of(policy: Any) -> dict[str, Float32]:
    """The weights that `tenor.trading.rl.policy.Network` takes."""
    if isinstance(policy, PpoPolicy):
        body, head = policy.mlp_extractor.policy, policy.action_net.linear
    else:
        body, head = policy.actor.latent_pi, policy.actor.mu.linear
    layers = {"first": body.first, "second": body.second, "action": head}
    return {
        f"{name}.{part}": np.array(getattr(layer, part).detach().numpy(), dtype=np.float32)
        for name, layer in layers.items()
        for part in ("weight", "bias")
    }
