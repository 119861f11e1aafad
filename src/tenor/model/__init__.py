"""The network: an LSTM under attention, every step of which predicts."""

from tenor.model.attention_lstm import AttentionLSTM, Output

__all__ = ["AttentionLSTM", "Output"]
