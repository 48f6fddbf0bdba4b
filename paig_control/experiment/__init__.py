"""A configured experiment, without a terminal: its settings, what is made of them, what follows a training."""
