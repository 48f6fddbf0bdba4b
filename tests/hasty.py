"""Words of commands that end in seconds, for tests of what commands write and say and not of what they learn."""

FILMS = ["env=pendulum", "sequences=4", "steps=8", "valid=0", "test=1", "test_steps=10", "env.kwargs.size=24"]
HASTY = [
    "recipe.discover.frames=24",
    "recipe.discover.rounds=0",
    "recipe.discover.steps=2",
    "recipe.warm_start.steps=2",
    "recipe.warm_start.batch=4",
    "recipe.identify.iterations=1",
    "recipe.refine.steps=2",
    "recipe.refine.batch=2",
]
PLANNED = ["objective=reward", "planner.samples=10", "planner.elites=2", "planner.iterations=1", "planner.horizon=3"]
CONTROL = ["env=pendulum", "env.kwargs.size=24", "steps=4", "hold=1", "baselines=false", "timing_steps=0"]
