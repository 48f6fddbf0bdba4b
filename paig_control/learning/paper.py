"""The paper's recipe: eyes, renderer, velocity and constants together from random weights, on pixels alone.

RMSProp with gradients clipped element by element, batches drawn epoch by epoch, the learning rate divided once near
the end: the procedure of the original code (Jaques, Burke and Hospedales, ICLR 2020), whose model is
:mod:`paig_control.models.published`. Constants come without error bars.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from paig_control import ranks
from paig_control.errors import PaigError
from paig_control.estimation.identification import Estimate
from paig_control.learning.optimise import Loop, step_generator
from paig_control.learning.settings import ModelSettings, PaperSettings
from paig_control.learning.stages import foreseen, frame_errors, paig_losses, weighed, with_constants
from paig_control.learning.trainer import CLOSE, Conclusion, Trainer
from paig_control.models.estimators import VelocityNetwork
from paig_control.models.paig import AT_ONCE, PAIG, to_images
from paig_control.types import State
from paig_control.vision.paper import MaskedLocalizer, TemplateRenderer
from paig_control.vision.registry import build_kinematics


def glorot(module: nn.Module) -> None:
    """Start weights uniformly as Glorot and Bengio (2010) do, biases at zero: the original's framework's default."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def annealed(done: float) -> float:
    """A fifth of the learning rate from three quarters on."""
    return 1.0 if done < 0.75 else 0.2


def rmsprop(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """RMSProp as the original's framework has it: decay 0.9, and mean squares that begin at one."""
    optimiser = torch.optim.RMSprop(groups, alpha=0.9, eps=1e-10)
    for group in optimiser.param_groups:
        for p in group["params"]:
            optimiser.state[p] = {"step": torch.zeros(()), "square_avg": torch.ones_like(p)}
    return optimiser


def clip_elements(parameters: list[Tensor]) -> Tensor:
    """Clip gradients to 1, element by element; returns the largest before."""
    largest = torch.stack([p.grad.abs().max() for p in parameters if p.grad is not None and p.grad.numel()]).max()
    torch.nn.utils.clip_grad_value_(parameters, 1.0)
    return largest


def joint_loop(model: PAIG, films: Tensor, actions: Tensor, settings: PaperSettings, seed: int) -> Loop:
    """The loop over films ``(S, T, h, w, 3)`` uint8 with actions ``(S, T - 1, A)``, from their first frames."""
    count, shown = len(films), model.input_frames + settings.prediction_frames
    films, actions = films[:, :shown], actions[:, : shown - 1]
    batches = math.ceil(count / settings.batch)
    least = count - (batches - 1) * settings.batch  # films in the last batch of an epoch
    parts = min(least, ranks.parts(settings.batch * math.prod(films.shape[1:4])))

    def loss(step: int, generator: torch.Generator, part: int) -> tuple[Tensor, dict[str, Tensor]]:
        order = torch.randperm(count, generator=step_generator(seed, "epoch", step // batches))
        first = step % batches * settings.batch
        batch = order[first : first + settings.batch]
        row = batch[ranks.part(len(batch), part, parts)]
        found = paig_losses(model, to_images(films[row]), actions[row], settings.prediction_frames)
        return weighed(found, settings.alpha, len(row) / len(batch))

    groups = [{"params": list(model.parameters()), "lr": settings.learning_rate}]
    steps = settings.epochs * batches
    loop = Loop("joint", groups, loss, steps, seed, ramp=1, decay=annealed, optimiser=rmsprop, clip=clip_elements)
    return replace(loop, parts=parts, told=with_constants(model))


class Joint(Trainer[PaperSettings]):
    """One stage that does everything."""

    @property
    def stages(self) -> tuple[str, ...]:
        """The loop, and a look at what came of it."""
        return ("joint", "conclude")

    def perform(self, stage: str) -> None:
        """Train, or judge."""
        if stage == "joint":
            if self.model is None:
                self._build()
            loop = joint_loop(self.trained, self.films, self.actions, self.recipe, self.seed)
            self.optimise(replace(loop, seconds=self.seconds_left()))
        else:
            self.conclusion = self._judge()

    def _build(self) -> None:
        own, usual = self.settings, ModelSettings(input_frames=self.settings.input_frames)
        if own != usual:
            raise PaigError(
                f"{own}: the paper's networks are fixed, of the model's settings only input_frames applies with "
                "recipe=paper. Leave the others out."
            )
        dynamics, size = self.dynamics, (self.films.shape[2], self.films.shape[3])
        torch.manual_seed(self.seed)
        model = PAIG(
            dynamics,
            build_kinematics(dynamics.kinematics, dynamics.objects, dynamics.joints),
            MaskedLocalizer(dynamics.objects, size),
            TemplateRenderer(size, dynamics.objects),
            own.input_frames,
            polish=0,
            estimator=VelocityNetwork,
        )
        self.model = model.apply(glorot).to(self.device)

    @torch.no_grad()
    def _judge(self) -> Conclusion:
        """Whether the pictures are explained, and the motion of what is seen in them."""
        model, flat = self.trained, self.films.flatten(0, 1)
        scene = to_images(flat.median(0).values)
        places, errors = [], []
        for images in map(to_images, flat.split(AT_ONCE)):
            places.append(seen := model.see(images))
            drawn = model.render(State(seen, seen))
            errors.append(torch.stack([frame_errors(drawn, images), frame_errors(scene, images)]))
        missed, motion = foreseen(model, torch.cat(places).unflatten(0, self.films.shape[:2]), self.actions)
        recons, empty = torch.cat(errors, 1)
        unseen = float(recons.mean() / empty.mean())
        converged = unseen < CLOSE and missed < CLOSE * motion
        if not converged:
            self.notes.append(
                f"The paper's recipe has not converged: its reconstruction error is {unseen:.2g} times that of an "
                f"empty scene, its predictions are off by {missed:.3g} against steps of {motion:.3g}, and the "
                "constants mean little. Give it more epochs or another seed, or use recipe=default."
            )
        constants = {
            c.name: Estimate(model.dynamics.values()[c.name], math.nan, c.unit) for c in self.dynamics.constants
        }
        return Conclusion(constants, missed, converged)
