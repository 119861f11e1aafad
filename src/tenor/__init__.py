"""Stock forecasts from an LSTM under attention, judged honestly."""
