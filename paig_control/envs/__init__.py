"""Pixel scenes for Gymnasium: NumPy dynamics, one sprite painter, one gym shell."""
