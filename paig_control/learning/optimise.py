"""The one gradient loop: seeded, resumable, and safe against a loss that stops being finite.

Minibatches of step i come from a generator seeded by (seed, stage, i), so a run that was killed and resumed draws what
an undisturbed one draws. Every few steps the weights are put aside; when loss or gradient is no longer finite, the
last good ones come back with a smaller step, and that is said. A loop ends after so many steps or, where it is given
seconds, after so much CPU time; then how far it gets depends on the machine.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from paig_control import ranks
from paig_control.errors import PaigError

LossOf = Callable[[int, torch.Generator, int], tuple[Tensor, dict[str, Tensor]]]
"""Step number, its generator and the number of a part of the batch to its terms of the loss and of figures."""


def step_generator(seed: int, stage: str, step: int) -> torch.Generator:
    """The generator of one step, the same whether or not the run was interrupted before it."""
    mixed = (seed * 1_000_003 + sum(ord(c) * 257**i for i, c in enumerate(stage))) * 100_003 + step
    return torch.Generator().manual_seed(mixed % (2**63))


@dataclass
class LoopState:
    """Where a loop stands: what a checkpoint keeps beside the weights.

    Attributes:
        step: steps done.
        spent: CPU-seconds that they took.
        optimiser: state of the optimiser, ``None`` before the first step.
        shrink: factor on the learning rate after restorations.
        restored: times that a good state had to be restored.
        history: one row for each recorded step.
    """

    step: int = 0
    spent: float = 0.0
    optimiser: dict[str, Any] | None = None
    shrink: float = 1.0
    restored: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def cosine(done: float, floor: float = 0.03) -> float:
    """Decay of the learning rate from 1 to ``floor``."""
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))


def clip_norm(parameters: list[Tensor]) -> Tensor:
    """Clip the norm of all gradients together to 10; returns it as it was."""
    return torch.nn.utils.clip_grad_norm_(parameters, 10.0)


@dataclass(frozen=True)
class Loop:
    """What a loop is to do.

    Attributes:
        stage: its name.
        groups: parameter groups with ``params`` and ``lr``.
        loss: of a part of a step.
        steps: how many.
        seed: of the run.
        seconds: CPU-seconds after which it ends, instead of after ``steps``.
        ramp: steps of linear warm-up.
        decay: factor on the learning rate, of the part done, from 0 to 1.
        optimiser: of the groups.
        clip: limits the gradients in place and returns their size.
        restores: times that a not finite loss is forgiven.
        parts: of each batch, whose terms add up to its loss.
        told: from the sums of the figures to what is recorded.
    """

    stage: str
    groups: Sequence[dict[str, Any]]
    loss: LossOf
    steps: int
    seed: int
    seconds: float | None = None
    ramp: int = 10
    decay: Callable[[float], float] = cosine
    optimiser: Callable[[list[dict[str, Any]]], torch.optim.Optimizer] = torch.optim.Adam
    clip: Callable[[list[Tensor]], Tensor] = clip_norm
    restores: int = 5
    parts: int = 1
    told: Callable[[dict[str, float]], dict[str, float]] = dict

    def done(self, state: LoopState) -> float:
        """The part that is done, from 0 to 1."""
        if self.seconds is None:
            return min(1.0, state.step / self.steps) if self.steps > 0 else 1.0
        return min(1.0, state.spent / self.seconds) if self.seconds > 0 else 1.0


def run_loop(
    loop: Loop,
    model: nn.Module,
    state: LoopState,
    checkpoint: Callable[[LoopState], None],
    progress: Callable[[float, str], None],
    note: Callable[[str], None],
    clock: Callable[[], float] = time.process_time,
) -> None:
    """Run ``loop`` from ``state`` to its end, changing ``model`` and ``state`` in place.

    Args:
        loop: what to do.
        model: whose state is put aside and restored.
        state: where to go on.
        checkpoint: called after each step; decides itself whether to write.
        progress: fraction done and a line of text.
        note: told when a good state was restored.
        clock: tells the CPU-seconds that count.

    Raises:
        PaigError: when the loss is not finite time and again.
    """
    optimiser = loop.optimiser([dict(group) for group in loop.groups])
    base = [group["lr"] for group in optimiser.param_groups]
    if state.optimiser is not None:
        optimiser.load_state_dict(state.optimiser)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    good = (copy.deepcopy(model.state_dict()), copy.deepcopy(optimiser.state_dict()), state.step)
    mark = clock()
    while (done := loop.done(state)) < 1:
        rate = state.shrink * loop.decay(done) * min(1.0, (state.step + 1) / max(loop.ramp, 1))
        for group, lr in zip(optimiser.param_groups, base, strict=True):
            group["lr"] = lr * rate
        loss, figures = _gradient(loop, state.step, parameters)
        norm = loop.clip(parameters)
        if not (math.isfinite(loss) and math.isfinite(float(norm))):
            _restore(loop, model, optimiser, state, good)
            note(
                f"{loop.stage}: the loss stopped being finite; went back to step {state.step} "
                f"and on with {state.shrink:.2g} times the step size."
            )
            continue
        optimiser.step()
        state.step += 1
        state.spent, mark = state.spent + (now := clock()) - mark, now
        done = loop.done(state)
        if state.step % 10 == 0 or done == 1:
            state.history.append({"step": float(state.step), "loss": loss, **figures})
            progress(done, " ".join(f"{k} {v:.3g}" for k, v in figures.items()))
        if state.step % 25 == 0:
            good = (copy.deepcopy(model.state_dict()), copy.deepcopy(optimiser.state_dict()), state.step)
        state.optimiser = optimiser.state_dict()
        checkpoint(state)


def _gradient(loop: Loop, step: int, parameters: list[Tensor]) -> tuple[float, dict[str, float]]:
    """Leave a step's gradient in the parameters; returns its loss and figures."""
    names: list[str] = []

    def terms(part: int) -> Tensor:
        loss, figures = loop.loss(step, step_generator(loop.seed, loop.stage, step), part)
        names[:] = figures
        return torch.stack([loss, *(one.detach() for one in figures.values())])

    loss, *sums = ranks.gradient(parameters, loop.parts, terms).tolist()
    return loss, loop.told(dict(zip(names, sums, strict=True)))


def _restore(
    loop: Loop,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: LoopState,
    good: tuple[dict[str, Any], dict[str, Any], int],
) -> None:
    """Back to the last good weights, with a third of the step size."""
    state.restored += 1
    if state.restored > loop.restores:
        raise PaigError(
            f"{loop.stage}: the loss was not finite {state.restored} times, with ever smaller steps. "
            "Lower the stage's learning_rate, and look at the data and at dt."
        )
    model.load_state_dict(good[0])
    optimiser.load_state_dict(copy.deepcopy(good[1]))
    state.step, state.shrink = good[2], state.shrink / 3


def lost(stage: str, dt: float, actions: Tensor) -> PaigError:
    """What to say where nothing finite is left, or equations have no solution."""
    largest = float(actions.abs().max()) if actions.numel() else 0.0
    return PaigError(
        f"{stage}: the numbers ran out of all bounds. Look whether dt = {dt:g} is the time between two frames in "
        f"seconds, whether actions as large as {largest:.3g} are in units in which they are near 1, and whether a "
        "learning_rate was set too high."
    )
