"""The network: an LSTM under attention, or one of the user's, every step of which predicts."""

from tenor.config import ModelConfig
from tenor.model.attention_lstm import AttentionLSTM, Output
from tenor.model.own_network import FramedNetwork, OwnNetwork, pooled_log_variance

Network = AttentionLSTM | FramedNetwork
"""What is trained."""


def make_network(config: ModelConfig, n_features: int, n_horizons: int) -> Network:
    """The network that `config` describes, with first weights from torch's random generator.

    Parameters
    ----------
    config
        Its shape, or the user's network.
    n_features, n_horizons
        Width of the input without the variance, and how many horizons are forecast.

    Raises
    ------
    ConfigError
        The user's network is not what `OwnNetwork` says.
    """
    kind = FramedNetwork if config.network else AttentionLSTM
    return kind(config, n_features, n_horizons)


__all__ = ["AttentionLSTM", "FramedNetwork", "Network", "Output", "OwnNetwork", "make_network", "pooled_log_variance"]
