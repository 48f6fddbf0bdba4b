"""Episode files and their collection from Gymnasium environments."""
