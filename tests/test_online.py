"""The constants watched during an episode: left alone while nothing changes, found anew when something does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from paig_control.agents.cem import CEM
from paig_control.agents.mpc import MPCAgent
from paig_control.agents.settings import AgentSettings, CEMSettings
from paig_control.errors import PaigError
from paig_control.estimation.online import OnlineAdapter
from paig_control.estimation.settings import OnlineSettings
from paig_control.physics.base import Physics, integrate_by
from paig_control.physics.registry import build_physics
from paig_control.types import Reading, State

NOISE = {"pendulum": 0.003, "spring": 0.02}
CONSTANTS = {
    "pendulum": {"gravity": 10.0, "actuation": 1.0},
    "spring": {"stiffness": 4.0, "rest_length": 12.0, "actuation": 1.0},
}


def world(name: str) -> Physics:
    physics: Physics = build_physics("pendulum", 0.05) if name == "pendulum" else build_physics("spring", 0.3)
    integrate_by(physics, "pefrl-2")
    physics.set_values(CONSTANTS[name])
    return physics


class Episodes:
    """Worlds under random pushes, each with constants of its own kind, watched frame by frame.

    Args:
        name: of the physics.
        batch: worlds side by side.
        seed: of starts, pushes and noise.
        adapter: that watches; one of true constants by default.
    """

    def __init__(self, name: str, batch: int, seed: int = 0, adapter: OnlineAdapter | None = None) -> None:
        self.name, self.random = name, torch.Generator().manual_seed(seed)
        self.true, self.push = world(name), torch.zeros(batch, world(name).action_size)
        self.adapter = adapter or OnlineAdapter(world(name), NOISE[name])
        self.adapter.reset(batch)
        self.frame, self.places = 0, list[Tensor]()
        if name == "pendulum":
            place, speed = math.pi + 0.5 * self._normal(batch, 1, 1), torch.zeros(batch, 1, 1)
        else:
            rest = torch.tensor([[10.0, 16.0], [22.0, 16.0]])
            place, speed = rest + self._normal(batch, 2, 2), 2 * self._normal(batch, 2, 2)
        self.state = State(place.double(), speed.double())

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random)

    def play(
        self, frames: int, trust: float = 3.0, wild: float = 0.0, still: bool = False, pushes: bool = True
    ) -> None:
        """Go on for so many frames, seen with such a trust, misread by ``wild``; without ``pushes`` the last lasts."""
        for _ in range(frames):
            if self.frame and not still:
                if pushes and self.frame % 5 == 1:
                    self.push = 2.0 * self._normal(*self.push.shape)
                with torch.no_grad():
                    self.state = self.true.step(self.state, self.push.double())
            place = self.state.position.float() + NOISE[self.name] * self._normal(*self.state.position.shape) + wild
            self.places.append(place)
            self.adapter.observe(Reading(place, torch.full_like(place, trust)), self.push if self.frame else None)
            self.frame += 1

    def off(self) -> Tensor:
        """Relative errors ``(B, C)``."""
        truth, values = self.true.values(), self.adapter.values
        return torch.stack([values[name][:, 0, 0] / truth[name] - 1 for name in truth], -1)


@pytest.mark.parametrize("name", CONSTANTS)
def test_while_nothing_changes_the_constants_stay_as_learned(name: str) -> None:
    episodes = Episodes(name, 8)
    episodes.play(60)
    assert float(episodes.off().abs().max()) < 2e-3
    assert int(episodes.adapter.changes.max()) == 0


@pytest.mark.parametrize(
    ("name", "constant", "factor"),
    [
        ("pendulum", "gravity", 0.5),
        ("pendulum", "gravity", 2.0),
        ("pendulum", "actuation", 0.5),
        ("spring", "stiffness", 2.0),
        ("spring", "actuation", 0.5),
    ],
)
def test_a_change_is_found_within_forty_frames(name: str, constant: str, factor: float) -> None:
    episodes = Episodes(name, 8)
    episodes.play(20)
    episodes.true.set_values({constant: CONSTANTS[name][constant] * factor})
    episodes.play(40)
    assert float(episodes.off().abs().max()) < 0.05
    score = torch.stack(
        [(episodes.adapter.values[n] - truth) / episodes.adapter.std[n] for n, truth in episodes.true.values().items()]
    )
    assert float(score.square().mean().sqrt()) < 2.0


def test_one_constant_is_found_from_little_motion_and_the_others_stay() -> None:
    episodes = Episodes("spring", 8)
    episodes.push = torch.tensor([[-2.0, 0.0, 2.0, 0.0]]).expand(8, 4)
    apart = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]) * (12.0 + 2.0 / 4.0) / 2  # stiffness x stretch = push
    episodes.state = State((16.0 + apart).double().expand(8, 2, 2), torch.zeros(8, 2, 2).double())
    episodes.play(15, pushes=False)
    episodes.true.set_values({"stiffness": 2.0})
    episodes.play(40, pushes=False)
    values = {name: value[:, 0, 0] for name, value in episodes.adapter.values.items()}
    assert float((values["stiffness"] / 2.0 - 1).abs().max()) < 0.03
    assert float((values["actuation"] - 1).abs().max()) < 0.005
    assert float((values["rest_length"] / 12.0 - 1).abs().max()) < 0.005
    seen = torch.stack(episodes.places[-40:])
    stretch = (seen[:, :, 1] - seen[:, :, 0]).norm(dim=-1).mean(0) - 12.0
    balance = 2.0 / stretch  # on the average of many swings the spring bears the push
    assert float((values["stiffness"] / balance - 1).abs().max()) < 0.1


def test_two_constants_that_change_at_once_are_both_found() -> None:
    episodes = Episodes("pendulum", 8)
    episodes.play(20)
    episodes.true.set_values({"gravity": 20.0, "actuation": 0.5})
    episodes.play(40)
    assert float(episodes.off().abs().max()) < 0.05


def test_another_constant_may_change_later() -> None:
    episodes = Episodes("pendulum", 8)
    episodes.play(10)
    episodes.true.set_values({"gravity": 5.0})
    episodes.play(60)
    episodes.true.set_values({"actuation": 2.0})
    episodes.play(40)
    assert float(episodes.off().abs().max()) < 0.05


@pytest.mark.parametrize("constant", ["gravity", "actuation"])
def test_no_constant_is_taken_for_a_negative_or_a_monstrous_one(constant: str) -> None:
    episodes = Episodes("pendulum", 4)
    episodes.play(12)
    episodes.true.set_values({constant: 25 * CONSTANTS["pendulum"][constant]})  # by more than is thought possible
    for _ in range(40):
        episodes.play(1)
        for name, value in episodes.adapter.values.items():
            assert float(value.min()) / CONSTANTS["pendulum"][name] > 0
            assert float(value.max()) / CONSTANTS["pendulum"][name] < 15


def test_what_has_changed_and_goes_on_changing_is_followed_without_another_change() -> None:
    episodes = Episodes("pendulum", 8)
    episodes.play(20)
    episodes.true.set_values({"gravity": 5.0})
    episodes.play(40)
    changes = episodes.adapter.changes
    assert int(changes.min()) > 0
    for step in range(60):
        episodes.true.set_values({"gravity": 5.0 + step / 60})
        episodes.play(1)
    assert float(episodes.off()[:, 0].square().mean().sqrt()) < 0.03
    assert int((episodes.adapter.changes - changes).sum()) < 4


def test_that_all_constants_have_changed_is_believed_less_readily_than_that_one_has() -> None:
    believed = {}
    for several in (OnlineSettings().several, 0.0):
        believed[several] = 0
        for constant, factor in (("gravity", 0.5), ("actuation", 2.0)):
            adapter = OnlineAdapter(world("pendulum"), NOISE["pendulum"], settings=OnlineSettings(several=several))
            episodes = Episodes("pendulum", 8, adapter=adapter)
            episodes.play(20)
            episodes.true.set_values({constant: factor * CONSTANTS["pendulum"][constant]})
            for _ in range(25):
                episodes.play(1)
                believed[several] += int(adapter.open[adapter.lead].all(-1).sum())
    assert believed[OnlineSettings().several] < 0.4 * believed[0.0]


def test_readings_of_little_trust_that_are_drawn_aside_do_not_move_the_constants() -> None:
    episodes = Episodes("spring", 8)
    episodes.play(20)
    episodes.play(4, trust=0.15, wild=0.4)
    episodes.play(20)
    assert float(episodes.off().abs().max()) < 2e-3
    assert int(episodes.adapter.changes.max()) == 0


def test_worlds_of_a_batch_are_watched_each_by_itself() -> None:
    both, one = Episodes("pendulum", 2), Episodes("pendulum", 1)
    for episodes in (both, one):
        episodes.state = State(torch.full_like(episodes.state.position, 2.0), episodes.state.velocity)
        episodes._normal = lambda *shape: 0.5 * torch.ones(shape)  # type: ignore[method-assign]
    for _ in range(30):
        both.play(1)
        one.play(1)
    for name, value in one.adapter.values.items():
        torch.testing.assert_close(both.adapter.values[name], value.expand(2, 1, 1))


def test_what_does_not_move_keeps_its_constants() -> None:
    episodes = Episodes("spring", 2)
    episodes.state = State(torch.tensor([[[10.0, 16.0], [22.0, 16.0]]]).double().expand(2, 2, 2), torch.zeros(2, 2, 2))
    episodes.true.set_values({"stiffness": 8.0})  # nobody can see it: the spring is at its rest length
    episodes.play(60, still=True)
    values = episodes.adapter.values
    assert float((values["stiffness"] / 4 - 1).abs().max()) < 1e-3
    assert float((values["actuation"] - 1).abs().max()) < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_a_push_from_outside_is_not_taken_for_other_constants(seed: int) -> None:
    episodes = Episodes("pendulum", 8, seed)
    episodes.play(20)
    episodes.state = State(episodes.state.position + 0.5, episodes.state.velocity - 3.0)
    episodes.play(30)
    assert float(episodes.off().abs().max()) < 0.01


def test_a_kicked_ball_is_not_taken_for_other_constants() -> None:
    episodes = Episodes("spring", 8)
    episodes.play(20)
    episodes.state.velocity[:, 0] += torch.tensor([8.0, -6.0])
    episodes.play(25)
    assert float(episodes.off().abs().max()) < 2e-3
    assert int(episodes.adapter.changes.max()) == 0


def test_frames_without_trust_and_wild_readings_do_not_move_the_constants() -> None:
    episodes = Episodes("spring", 8)
    episodes.play(12)
    episodes.play(3, trust=0.0, wild=500.0)
    episodes.play(10)
    episodes.play(1, wild=5.0)
    episodes.play(15)
    assert float(episodes.off().abs().max()) < 2e-3


def test_an_episode_may_begin_unseen() -> None:
    episodes = Episodes("pendulum", 4)
    episodes.play(3, trust=0.0, wild=float("nan"))
    episodes.play(10)
    episodes.true.set_values({"gravity": 20.0})
    episodes.play(40)
    assert float(episodes.off().abs().max()) < 0.05


def test_more_noise_than_expected_is_no_change() -> None:
    episodes = Episodes("pendulum", 8, adapter=OnlineAdapter(world("pendulum"), NOISE["pendulum"] / 5))
    episodes.play(60)
    assert float(episodes.off().abs().max()) < 0.01


def test_the_next_episode_begins_with_what_was_learned_and_the_physics_keeps_it() -> None:
    episodes = Episodes("pendulum", 2)
    episodes.play(10)
    episodes.true.set_values({"gravity": 5.0})
    episodes.play(30)
    adapter = episodes.adapter
    assert float(adapter.values["gravity"].max()) < 8.0
    adapter.reset(3)
    assert adapter.values["gravity"].shape == (3, 1, 1)
    assert float((adapter.values["gravity"] - 10.0).abs().max()) < 1e-6
    assert adapter.physics.values()["gravity"] == pytest.approx(10.0)


def test_what_cannot_be_watched_is_refused() -> None:
    with pytest.raises(PaigError, match="no constants"):
        OnlineAdapter(build_physics("bouncing", 0.3, force=False), 0.1)
    with pytest.raises(PaigError, match="noise = 0"):
        OnlineAdapter(build_physics("spring", 0.3), 0.0)
    with pytest.raises(PaigError, match="proof"):
        OnlineSettings(proof=-1.0)
    with pytest.raises(PaigError, match="several"):
        OnlineSettings(several=-1.0)
    with pytest.raises(PaigError, match="rivals"):
        OnlineSettings(rivals=0)
    adapter = OnlineAdapter(build_physics("pendulum", 0.05), 0.01)
    with pytest.raises(PaigError, match="expected 1"):
        adapter.observe(Reading(torch.zeros(2, 1, 1), torch.ones(2, 1, 1)), None)


class Told:
    """A model that is told where things are."""

    image_size = (4, 4)

    def __init__(self, place: Tensor) -> None:
        self.physics, self.place = world("pendulum"), place

    def read(self, frames: Tensor) -> Reading:
        return Reading(self.place, torch.full_like(self.place, 1e6))

    def read_near(self, frames: Tensor, reading: Reading, expected: Tensor) -> Reading:
        return reading

    def estimate(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> State:
        return State(coordinates[:, -1], torch.zeros_like(coordinates[:, -1]))


class Claims:
    """An adapter that has made up its mind."""

    def __init__(self, gravity: list[float]) -> None:
        self.values = {"gravity": torch.tensor(gravity)[:, None, None]}
        self.std = {"gravity": torch.zeros(len(gravity), 1, 1)}
        self.seen: list[tuple[Tensor, Tensor | None]] = []

    def reset(self, batch: int) -> None:
        assert batch == len(self.values["gravity"])

    def observe(self, reading: Reading, action: Tensor | None) -> None:
        self.seen.append((reading.position, action))


@pytest.mark.parametrize("start_speed", [0.0, 1.0])
def test_the_agent_plans_for_each_world_with_the_constants_found_there(start_speed: float) -> None:
    gravity, place = [20.0, 2.0, 9.0], torch.full((3, 1, 1), math.radians(45.0))
    adapter = Claims(gravity)
    agent = MPCAgent(
        Told(place),
        CEM(CEMSettings(horizon=12)),
        [-15.0],
        [15.0],
        None,
        None,
        AgentSettings(start_speed=start_speed),
        adapter=adapter,
    )
    agent.reset(State(place, torch.zeros_like(place)), batch=3, seed=0)
    image = np.random.default_rng(0).integers(0, 255, (3, 4, 4, 3), dtype=np.uint8)
    actions = [agent.act(image) for _ in range(6)]
    holding = -0.5 * torch.tensor(gravity) * math.sin(math.radians(45.0))
    np.testing.assert_allclose(np.mean(actions[2:], 0)[:, 0], holding, atol=0.5)
    assert len(adapter.seen) == 6
    np.testing.assert_array_equal(adapter.seen[3][1], actions[2])
    physics = world("pendulum")
    for index, value in enumerate(gravity):
        physics.set_values({"gravity": value})
        with torch.no_grad():
            assert agent.state is not None
            alone = physics.rollout(State(*(x[index] for x in agent.state)), agent.upcoming[index, :5])
        torch.testing.assert_close(agent.imagine(3, 5).position[index], alone.position)
    assert agent.model.physics.values()["gravity"] == pytest.approx(10.0)
