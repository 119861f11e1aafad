"""The network: an LSTM with attention, or a user's own network. It predicts at every step of its input."""

import os

# before the first product: without it MKL's products depend, on some processors, on where in memory an array lies, and
# the same training gives other last digits
os.environ.setdefault("MKL_CBWR", "AUTO")

from tenor.config import ModelConfig
from tenor.model.attention_lstm import AttentionLSTM, Output
from tenor.model.own_network import FramedNetwork, OwnNetwork, pooled_log_variance

Network = AttentionLSTM | FramedNetwork
"""The types of network that can be trained."""


def make_network(config: ModelConfig, n_features: int, n_horizons: int) -> Network:
    """The network that `config` describes, with first weights from torch's random generator.

    Parameters
    ----------
    config
        The network's size, or the user's network.
    n_features, n_horizons
        Number of features (the input has the variance as well), and number of horizons that are forecast.

    Raises
    ------
    ConfigError
        The user's network does not follow `OwnNetwork`.
    """
    kind = FramedNetwork if config.network else AttentionLSTM
    return kind(config, n_features, n_horizons)


__all__ = ["AttentionLSTM", "FramedNetwork", "Network", "Output", "OwnNetwork", "make_network", "pooled_log_variance"]
