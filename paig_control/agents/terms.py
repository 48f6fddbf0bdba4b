"""Objectives add up: what they have in common, their sum, and the two that look at the actions alone.

An objective is any function from states ``(B, K, H, N, D)`` after each action and the actions ``(B, K, H, A)`` to a
cost ``(B, K)`` for every candidate. Those of the library are terms: ``goal + KeepOut(...) + own_function`` is their sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from paig_control.errors import PaigError
from paig_control.types import Objective, State


class Term:
    """An objective that can be added to any other."""

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)`` of states ``(B, K, H, N, D)`` and actions ``(B, K, H, A)``."""
        raise NotImplementedError

    def __add__(self, other: Objective) -> Sum:
        """Both, added up."""
        return Sum((*_terms(self), *_terms(other)))

    def __radd__(self, other: Objective) -> Sum:
        """Both, added up, the function of a user's first."""
        return Sum((*_terms(other), *_terms(self)))

    def after(self, action: Tensor) -> Term:
        """The same objective, once ``action`` ``(B, A)`` has been taken."""
        return self


@dataclass(frozen=True)
class Sum(Term):
    """Objectives added up.

    Raises:
        PaigError: without terms, or for one that cannot be called.
    """

    terms: tuple[Objective, ...]

    def __post_init__(self) -> None:
        wrong = [term for term in self.terms if not callable(term)]
        if wrong or not self.terms:
            what = f"{wrong[0]!r} among its terms" if wrong else "no terms"
            raise PaigError(f"A sum of objectives has {what}: expected functions of states and actions to costs.")

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``.

        Raises:
            PaigError: for a term that returns anything but a tensor of that shape.
        """
        expected = tuple(actions.shape[:2])
        total = actions.new_zeros(expected)
        for term in self.terms:
            cost = term(states, actions)
            if not isinstance(cost, Tensor) or tuple(cost.shape) != expected:
                what = f"shape {tuple(cost.shape)}" if isinstance(cost, Tensor) else f"a {type(cost).__name__}"
                raise PaigError(
                    f"The objective {objective_name(term)} returned {what}: expected a tensor with one cost for each "
                    f"candidate, {expected}."
                )
            total = total + cost
        return total

    def after(self, action: Tensor) -> Sum:
        """The same terms, once ``action`` ``(B, A)`` has been taken."""
        return Sum(tuple(term.after(action) if isinstance(term, Term) else term for term in self.terms))


@dataclass(frozen=True)
class Effort(Term):
    """Squared actions, summed over the horizon, times ``weight``."""

    weight: float = 0.001

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        return self.weight * actions.square().sum(dim=(-1, -2))


@dataclass(frozen=True)
class Smoothness(Term):
    """Squared changes from each action to the next, summed over the horizon, times ``weight``.

    Attributes:
        weight: of the squared changes.
        last: ``(B, A)``, the action that was taken before the first one; None if there was none.
    """

    weight: float = 0.01
    last: Tensor | None = None

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        cost = actions.diff(dim=-2).square().sum(dim=(-1, -2))
        if self.last is not None:
            cost = cost + (actions[..., 0, :] - self.last[:, None].to(actions)).square().sum(dim=-1)
        return self.weight * cost

    def after(self, action: Tensor) -> Smoothness:
        """The same, with ``action`` ``(B, A)`` as the last one taken."""
        return replace(self, last=action)


def objective_name(objective: Objective) -> str:
    """Name of an objective: its own, else its class's or function's; the terms of a sum joined by ``+``."""
    if isinstance(objective, Sum):
        return " + ".join(objective_name(term) for term in objective.terms)
    name = getattr(objective, "name", None) or getattr(objective, "__name__", None)
    return str(name or type(objective).__name__)


def after(objective: Objective, action: Tensor | None) -> Objective:
    """An objective once ``action`` ``(B, A)`` has been taken; functions of a user's, and without one, the same."""
    return objective.after(action) if isinstance(objective, Term) and action is not None else objective


def _terms(objective: Objective) -> tuple[Objective, ...]:
    return objective.terms if isinstance(objective, Sum) else (objective,)
