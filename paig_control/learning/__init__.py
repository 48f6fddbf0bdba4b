"""The three learning stages, discover, identify and refine, and the recipe that runs them."""
