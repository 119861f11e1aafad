"""Trading by reinforcement learning: an environment over forecasts, agents, their rivals, and a verdict."""
