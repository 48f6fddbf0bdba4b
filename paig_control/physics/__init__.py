"""Differentiable physics engines: an acceleration each, integrated and rolled out by one base class."""
