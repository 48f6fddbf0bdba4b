"""Measuring: films predicted, episodes controlled beside their baselines, what goes wrong on the way."""
