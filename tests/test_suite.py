"""dm_control's tasks and MuJoCo's environments, through a stand-in and, where they are installed, themselves."""

from __future__ import annotations

import contextlib
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from unseen import begun, needed

import paig_control  # noqa: F401
from paig_control.envs import suite
from paig_control.errors import PaigError
from paig_control.physics import build_physics


class Physics:
    """An engine of one joint, as dm_control shows it."""

    def __init__(self) -> None:
        self.data = SimpleNamespace(qpos=np.zeros(1), qvel=np.zeros(1))
        self.data._data = self.data
        self.reset_context = contextlib.nullcontext

    def render(self, height: int, width: int, camera_id: Any) -> np.ndarray:
        frame = np.zeros((height, width, 3), np.uint8)
        frame[:, int(10 * abs(self.data.qpos[0])) % width] = 255 if camera_id == "above" else 90
        return frame


class Task:
    """A task of three steps, which starts anywhere."""

    def __init__(self, random: int | None = None) -> None:
        self.physics, self.left = Physics(), 3
        self.task = SimpleNamespace(random=np.random.RandomState(random))

    def action_spec(self) -> Any:
        return SimpleNamespace(minimum=-np.ones(1), maximum=np.ones(1), shape=(1,))

    def observation_spec(self) -> dict[str, Any]:
        return {"joint": SimpleNamespace(shape=(1,)), "pace": SimpleNamespace(shape=())}

    def control_timestep(self) -> float:
        return 0.02

    def _told(self, reward: float | None) -> Any:
        seen = {"joint": self.physics.data.qpos.copy(), "pace": self.physics.data.qvel[0]}
        last = self.left == 0
        return SimpleNamespace(observation=seen, reward=reward, discount=1.0, last=lambda: last)

    def reset(self) -> Any:
        self.left = 3
        self.physics.data.qpos[:], self.physics.data.qvel[:] = self.task.random.uniform(0, 3), 0
        return self._told(None)

    def step(self, action: np.ndarray) -> Any:
        self.left -= 1
        self.physics.data.qvel += action
        self.physics.data.qpos += 0.02 * self.physics.data.qvel
        return self._told(0.25)

    def close(self) -> None:
        pass


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("dm_control")
    tasks = SimpleNamespace(
        ALL_TASKS=(("arm", "reach"), ("arm", "hold")),
        load=lambda domain, task, task_kwargs: Task(**(task_kwargs or {})),
    )
    monkeypatch.setattr(module, "suite", tasks, raising=False)
    monkeypatch.setitem(sys.modules, "dm_control", module)
    monkeypatch.setitem(sys.modules, "dm_control.suite", tasks)


@pytest.mark.usefixtures("stand_in")
def test_a_task_is_an_environment_with_state_time_and_pictures() -> None:
    env = gym.make("paig/Pixels-v0", env_id="dm_control/arm-reach", size=32, env_kwargs={"camera": "above"}).unwrapped
    frame, info = env.reset(seed=4)
    assert frame.shape == (32, 32, 3)
    assert info["state"].shape == (2, 1, 1)
    np.testing.assert_array_equal(frame, env.draw(info["state"]))
    assert frame.max() > 30
    _, again = env.reset(seed=4)
    np.testing.assert_array_equal(info["state"], again["state"])
    assert env.reset(seed=5)[1]["state"][0, 0, 0] != info["state"][0, 0, 0]
    assert env.dt == 0.02
    assert env.truth["constants"] == {}  # of an engine whose camera is not known nothing is told
    assert env.hindrance is None
    start = np.array([[[1.0]], [[0.5]]])
    env.reset(seed=0, options={"state": start})
    steps = [env.step(np.array([1.0])) for _ in range(3)]
    assert [step[1:4] for step in steps] == [(0.25, False, False)] * 2 + [(0.25, False, True)]
    found = steps[-1][4]["state"].ravel()
    np.testing.assert_allclose(found, [1 + 0.02 * (1.5 + 2.5 + 3.5), 3.5])
    np.testing.assert_allclose(env.simulate(start[None], np.ones((1, 3, 1))).ravel(), found)
    env.close()


@pytest.mark.usefixtures("stand_in")
def test_a_task_that_there_is_not_is_named() -> None:
    with pytest.raises(PaigError, match="no task 'dm_control/arm-reech'; did you mean dm_control/arm-reach"):
        gym.make("paig/Pixels-v0", env_id="dm_control/arm-reech")


def test_without_a_screen_the_first_renderer_whose_library_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(suite.sys, "platform", "linux")
    monkeypatch.delitem(sys.modules, "mujoco", raising=False)

    def chosen() -> str | None:
        suite.render_unseen()
        return os.environ.pop("MUJOCO_GL", None)

    for there, expected in (({"EGL", "OSMesa"}, "egl"), ({"OSMesa"}, "osmesa"), (set(), None)):
        monkeypatch.setattr(suite, "find_library", lambda name, there=there: name if name in there else None)
        assert chosen() == expected
    monkeypatch.setattr(suite, "find_library", lambda name: name)
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    assert chosen() == "glfw"
    monkeypatch.setenv("DISPLAY", ":0")
    assert chosen() is None


@pytest.mark.parametrize(
    ("env_id", "module", "joints", "dt"),
    [
        ("dm_control/cartpole-swingup", "dm_control", 2, 0.01),
        ("dm_control/acrobot-swingup", "dm_control", 2, 0.01),
        ("InvertedDoublePendulum-v5", "mujoco", 3, 0.05),
    ],
)
def test_the_engines_themselves_where_they_are_installed(env_id: str, module: str, joints: int, dt: float) -> None:
    env, frame, info = begun(module, env_id, size=24, endless=True)
    assert info["state"].shape == (2, joints, 1)
    seen = env.hindrance is None  # or aslant, as by Gymnasium's camera
    assert bool(env.truth["constants"])
    assert seen == (module == "dm_control")
    if env_id.startswith("Inverted"):
        known = build_physics("inverted_double_pendulum", env.dt).names
        assert {*env.truth["constants"]} == {*known, "cart_actuation"}  # which is the only one
    assert env.dt == pytest.approx(dt)
    assert frame.std() > 1
    np.testing.assert_array_equal(frame, env.draw(info["state"]))
    before = info["state"]
    after = [env.step(env.action_space.high)[4]["state"] for _ in range(3)][-1]
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(
        env.simulate(before[None], np.repeat(env.action_space.high[None, None], 3, 1))[0], after, atol=1e-6
    )
    env.close()


@pytest.mark.parametrize(
    ("task", "physics", "way"), [("cartpole-swingup", "cartpole", -1.0), ("acrobot-swingup", "acrobot", -1.0)]
)
def test_engines_accelerate_as_the_constants_say_that_are_read_off_them(task: str, physics: str, way: float) -> None:
    """In the engine's own metres and radians, which count the other way round."""
    needed("dm_control")
    import mujoco
    import torch

    from paig_control.physics import build_physics
    from paig_control.types import State

    env = gym.make("paig/Pixels-v0", env_id=f"dm_control/{task}", size=64)
    world: Any = env.unwrapped
    found = build_physics(physics, 0.01, **({"friction": True} if physics == "acrobot" else {})).double()
    found.set_values({name: world.truth["constants"][name] for name in found.names})
    metre = found.values()["gravity"] / 9.81
    found.seat(torch.tensor([[0.0, 0.0], [0.0, -metre]]), torch.zeros(2))
    engine = world.inner.unwrapped.world.physics
    model, data = engine.model.ptr, engine.data.ptr
    scale = np.array([metre, way]) if physics == "cartpole" else np.array([way, way])
    for seed in range(5):
        rng = np.random.default_rng(seed)
        position, velocity = rng.uniform(-1.5, 1.5, (2, 2))  # within the rail
        control = rng.uniform(-1, 1)
        data.qpos[:], data.qvel[:], data.ctrl[:] = position, velocity, control
        mujoco.mj_forward(model, data)
        state = State(*(torch.from_numpy((x * scale)[:, None]) for x in (position, velocity)))
        told = found.acceleration(state, torch.tensor([control]))
        np.testing.assert_allclose(told.detach().numpy()[:, 0] / scale, data.qacc, rtol=0.01, atol=0.02)
    env.close()
