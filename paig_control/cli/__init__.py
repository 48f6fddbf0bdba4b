"""The command line: one console script, a file a command, Hydra underneath."""
