"""World models: parts put together, and their files."""
