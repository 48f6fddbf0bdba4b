"""Planners, objectives and the agents that act."""
