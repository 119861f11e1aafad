"""The network: an LSTM under attention, every step of which predicts."""

from tenor.model.attention_lstm import AttentionLSTM, ModelConfig, Output

__all__ = ["AttentionLSTM", "ModelConfig", "Output"]
