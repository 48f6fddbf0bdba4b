"""Mechanisms that are written down for MuJoCo: how they are filmed, and what is true of them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from unseen import begun, needed

import paig_control  # noqa: F401
from paig_control.cli.main import main
from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes
from paig_control.envs import suite
from paig_control.errors import PaigError
from paig_control.machine import by_tensors
from paig_control.physics import build_physics
from paig_control.physics.base import integrate_by
from paig_control.physics.forces import Friction, Motor, Weight
from paig_control.physics.joints import Body
from paig_control.physics.mechanism import Mechanism
from paig_control.types import State

CRANE = Path(__file__).parents[1] / "examples" / "crane.xml"
CAMERA = '<camera name="side" pos="0 -5 0" xyaxes="1 0 0 0 0 1"/>'
ROPE = f"""
<mujoco>
  <option timestep="0.002"><flag contact="disable"/></option>
  <worldbody>
    {CAMERA}
    <body name="cart">
      <joint name="rail" type="slide" axis="-1 0 0" damping="0.4" armature="0.3"/>
      <geom type="box" size="0.2 0.1 0.1" mass="2"/>
      <body name="upper" pos="0.1 -0.3 -0.2" euler="0 10 0">
        <joint type="hinge" axis="0 -1 0" damping="0.03"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.03" mass="0.5"/>
        <body pos="0.2 0 0"><geom type="sphere" size="0.1" mass="0.2"/></body>
        <body name="lower" pos="0.05 -0.1 -0.5">
          <joint name="knee" type="hinge" axis="0 1 0" damping="0.01"/>
          <geom type="box" size="0.05 0.02 0.2" pos="0.1 0 -0.2" mass="0.7"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="rail" gear="3"/><motor joint="knee" gear="0.2"/></actuator>
</mujoco>
"""


@contextlib.contextmanager
def by_scheme(physics: Mechanism, integrator: str) -> Iterator[None]:
    before = physics.integrator
    integrate_by(physics, integrator)
    yield
    integrate_by(physics, before)


def accelerates_alike(
    learned: Mechanism, model: Any, data: Any, seed: int, zero: np.ndarray, way: np.ndarray
) -> tuple[State, torch.Tensor]:
    """Bring an engine into any state, and hold its accelerations against a mechanism's; that state, and the action.

    Coordinates ``(N,)`` of the mechanism are ``zero`` and ``way`` times the engine's.
    """
    import mujoco

    rng = np.random.default_rng(seed)
    data.qpos[:], data.qvel[:] = rng.normal(size=len(way)), rng.normal(size=len(way))
    data.ctrl[:] = rng.uniform(-1, 1, model.nu)
    mujoco.mj_forward(model, data)
    state = State(*(torch.from_numpy(x[:, None]) for x in (zero + way * data.qpos, way * data.qvel)))
    held = torch.from_numpy(data.ctrl.copy())
    told = learned.acceleration(state, held)
    np.testing.assert_allclose(told.detach().numpy()[:, 0], way * data.qacc, rtol=1e-6, atol=1e-6)
    return state, held


def world(path: Path | str, **kwargs: Any) -> Any:
    needed("mujoco")
    return gym.make("paig/Pixels-v0", env_id=str(path), **kwargs).unwrapped


def written(folder: Path, text: str) -> Path:
    path = folder / "rope.xml"
    path.write_text(text)
    return path


def test_bodies_accelerate_as_the_constants_say_that_are_read_off_the_model(tmp_path: Path) -> None:
    found = world(written(tmp_path, ROPE), size=64)
    import mujoco

    constants = found.truth["constants"]
    metre = constants["gravity"] / 9.81
    assert metre == pytest.approx(64 / (2 * 4.7 * np.tan(np.deg2rad(22.5))), rel=1e-6)  # where the first hinge is
    assert "actuation" not in constants  # two motors, each of its own
    assert "friction" not in constants
    servo = ROPE.replace('<motor joint="rail" gear="3"/>', '<position joint="rail" kp="3"/>')
    assert not [name for name in world(written(tmp_path, servo)).truth["constants"] if name.endswith("actuation")]
    assert constants["cart_actuation"] < 0 < constants["cart_friction"]  # which pushes to the left
    bodies = [
        Body("rail", name="cart"),
        *(Body("hinge", on=n, length=None, name=x) for n, x in enumerate(("up", "low"))),
    ]
    forces = {"weight": Weight(), "cart": Motor([0]), "lower": Motor([2])}
    frictions = {"rail": Friction([0]), "upper": Friction([1]), "knee": Friction([2])}
    learned = Mechanism(found.inner.unwrapped.model.opt.timestep, bodies, {**forces, **frictions}).double()
    integrate_by(learned, "damped-1")  # MuJoCo's own scheme, unless a file chooses another
    names = {"up_moment": "upper_moment", "up_length": "upper_length", "low_moment": "lower_moment"}
    names |= {"low_length": "lower_length", "rail_friction": "cart_friction", "knee_friction": "lower_friction"}
    learned.set_values({name: constants[names.get(name, name)] for name in learned.names})
    model = found.inner.unwrapped.model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    # where links point, from each hinge to the centre of what hangs on it, as the file has them
    lower = data.xipos[-1] - data.xanchor[2]
    upper = 0.5 * (data.xipos[2] - data.xanchor[1]) + 0.2 * (data.xipos[3] - data.xanchor[1])
    upper = upper + 0.7 * (data.xanchor[2] - data.xanchor[1])
    tilt = [np.arctan2(-way[0], way[2]) for way in (upper, lower)]  # counter-clockwise from straight up
    arm = metre * (data.xanchor[2] - data.xanchor[1])
    cos, sin = np.cos(tilt[0]), np.sin(tilt[0])
    right, down = arm[0], -arm[2]
    anchor = [right * cos - down * sin, right * sin + down * cos]  # turned back
    learned.seat(torch.tensor([[0.0, 0.0], [0.0, 0.0], anchor], dtype=torch.float64), torch.zeros(3))
    way = np.array([-1.0, 1.0, -1.0]) * np.array([metre, 1.0, 1.0])
    zero = np.array([0.0, tilt[0], tilt[1] - tilt[0]])
    for seed in range(5):
        with by_scheme(learned, "rk4-1"):
            state, held = accelerates_alike(learned, model, data, seed, zero, way)
        mujoco.mj_step(model, data, 100)
        for tensors in (contextlib.nullcontext(), by_tensors()):
            with tensors, torch.no_grad():
                ends = learned.rollout(state, held.expand(100, 2))
            np.testing.assert_allclose(ends.position[-1, :, 0], zero + way * data.qpos, rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(ends.velocity[-1, :, 0], way * data.qvel, rtol=1e-6, atol=1e-6)


TABLE = """
<mujoco>
  <option timestep="0.01" gravity="0 0 -9"><flag contact="disable"/></option>
  <worldbody>
    <camera name="above" pos="0 0 1" xyaxes="1 0 0 0 1 0"/>
    <body name="upper" pos="0.02 0 0">
      <joint name="first" type="hinge" axis="0 0 1" damping="0.02" armature="0.001"/>
      <geom type="capsule" fromto="0 0 0 0.12 0.02 0" size="0.01" mass="0.2"/>
      <body name="lower" pos="0.12 0.02 0.01">
        <joint name="second" type="hinge" axis="0 0 -1" damping="0.02"/>
        <geom type="box" size="0.05 0.01 0.01" pos="0.04 0.01 0" mass="0.15"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="first" gear="0.05"/><motor joint="second" gear="0.03"/></actuator>
</mujoco>
"""


def test_what_is_seen_from_above_counts_in_parts_of_the_first_inertia(tmp_path: Path) -> None:
    found = world(written(tmp_path, TABLE), size=64)
    import mujoco

    assert found.hindrance is None
    learned = build_physics("reacher", 0.01).double()
    learned.set_values({name: found.truth["constants"][name] for name in learned.names})
    data = mujoco.MjData(found.inner.unwrapped.model)
    mujoco.mj_forward(found.inner.unwrapped.model, data)
    metre = 64 / (2 * np.tan(np.deg2rad(22.5)))
    arm, lower = data.xanchor[1] - data.xanchor[0], data.xipos[2] - data.xanchor[1]
    tilt = [np.arctan2(-way[0], way[1]) for way in (data.xipos[1] - data.xanchor[0], lower)]
    cos, sin = np.cos(tilt[0]), np.sin(tilt[0])
    right, down = metre * arm[0], -metre * arm[1]
    anchor = [right * cos - down * sin, right * sin + down * cos]
    learned.seat(torch.tensor([[0.0, 0.0], anchor], dtype=torch.float64), torch.zeros(2))
    zero, way = np.array([tilt[0], tilt[1] - tilt[0]]), np.array([1.0, -1.0])
    for seed in range(3):
        accelerates_alike(learned, found.inner.unwrapped.model, data, seed, zero, way)


def test_a_hinge_alone_swings_as_a_uniform_rod_of_one_metre_and_one_kilogramme(tmp_path: Path) -> None:
    start, stop = TABLE.index('      <body name="lower"'), TABLE.index("    </body>\n  </worldbody>")
    upright = (TABLE[:start] + TABLE[stop:]).replace('<motor joint="second" gear="0.03"/>', "")
    upright = upright.replace('pos="0 0 1" xyaxes="1 0 0 0 1 0"', 'pos="0 -1 0" xyaxes="1 0 0 0 0 1"')
    found = world(written(tmp_path, upright.replace('axis="0 0 1" damping', 'axis="0 1 0" damping')), size=64)
    import mujoco

    learned = build_physics("pendulum", 0.01, friction=True, max_speed=1e9).double()
    assert set(found.truth["constants"]) == set(learned.names)
    learned.set_values(found.truth["constants"])
    data = mujoco.MjData(found.inner.unwrapped.model)
    mujoco.mj_forward(found.inner.unwrapped.model, data)
    centre = data.xipos[1] - data.xanchor[0]
    tilt = np.arctan2(-centre[0], centre[2])
    for seed in range(3):
        way = np.array([-1.0])  # about an axis that points away from the camera
        accelerates_alike(learned, found.inner.unwrapped.model, data, seed, np.array([tilt]), way)


PUCK = """
<mujoco>
  <option timestep="0.02" gravity="0 0 -9"><flag contact="disable"/></option>
  <worldbody>
    <camera name="above" pos="0 0 2" xyaxes="0 1 0 -1 0 0"/>
    <body name="puck" pos="0 0 0.5">
      <joint name="first" type="slide" axis="1 0 0" damping="0.6"/>
      <joint name="second" type="slide" axis="0 1 0" damping="0.6"/>
      <geom type="sphere" size="0.1" mass="0.3" rgba="1 0 0 1"/>
    </body>
  </worldbody>
  <actuator><motor joint="first" gear="0.9"/><motor joint="second" gear="0.9"/></actuator>
</mujoco>
"""


def test_what_slides_any_way_has_its_truth_in_pixels(tmp_path: Path) -> None:
    kwargs: dict[str, Any] = {"env_id": str(written(tmp_path, PUCK)), "size": 48}
    begun("mujoco", **kwargs)
    films = collect("paig/Pixels-v0", 2, 8, valid=1, test=1, env_kwargs=kwargs)
    assert films.meta["hindrance"] is None
    truth, metre = films.truth("train"), 48 / (2 * 1.5 * np.tan(np.deg2rad(22.5)))
    assert truth is not None
    assert truth.position is not None
    assert truth.velocity is not None
    # the camera's right is the world's y, its up the world's -x
    raw = films.arrays["train_truth_position"]
    np.testing.assert_allclose(truth.position, metre * raw[..., ::-1], rtol=1e-9)
    np.testing.assert_allclose(truth.velocity, metre * films.arrays["train_truth_velocity"][..., ::-1], rtol=1e-9)
    for film, path in zip(films.arrays["train_x"], truth.position, strict=True):
        red = (film[..., 0].astype(float) - film[..., 1:].mean(-1)).clip(0)
        across, down = np.arange(48) + 0.5, (np.arange(48) + 0.5)[:, None]
        centre = np.stack([(red * across).sum((1, 2)), (red * down).sum((1, 2))], 1) / red.sum((1, 2))[:, None]
        np.testing.assert_allclose(centre - 24, path[:, 0], atol=0.5)
    assert truth.constants == pytest.approx({"damping": 2.0})  # the first action pushes down, the second right
    straight = PUCK.replace('xyaxes="0 1 0 -1 0 0"', 'xyaxes="1 0 0 0 1 0"')
    told = world(written(tmp_path, straight), size=48).truth["constants"]
    assert told == pytest.approx({"damping": 2.0, "actuation": 3.0 * metre})
    meta = {**films.meta, "truth": {**films.meta["truth"], "pixels": [[1.0, 0.0], [0.0, 1.0]]}}
    with pytest.raises(PaigError, match=r"truth has pixels .* expected .* \(1, 2, 2\) finite"):
        Episodes(films.arrays, meta)


def test_nothing_is_said_to_be_true_of_what_does_not_lie_in_the_picture(tmp_path: Path) -> None:
    twice = ROPE.replace('<geom type="box" size="0.2', '<joint type="hinge" axis="0 1 0"/><geom type="box" size="0.2')
    wheel = ROPE.replace('fromto="0 0 0 0 0 -0.5" size="0.03" mass="0.5"', 'size="0.03 0.1" mass="0.5"')
    wheel = wheel.replace('<body pos="0.2 0 0"><geom type="sphere" size="0.1" mass="0.2"/></body>', "")
    start = wheel.index('<body name="lower"')
    wheel = wheel[:start] + wheel[wheel.index("</body>", start) + 7 :].replace('<motor joint="knee" gear="0.2"/>', "")
    for text in (twice, wheel):
        assert world(written(tmp_path, text)).truth["constants"] == {}


def test_a_camera_that_looks_aslant_has_the_truth_of_one_that_looks_straight(tmp_path: Path) -> None:
    """Four away from what it has in the middle, half above; what sits on the rail is a little nearer to both."""
    below = np.sqrt(0.75)
    aslant = ROPE.replace(CAMERA, f'<camera pos="0.3 {-4 * below} 2" xyaxes="1 0 0 0 0.5 {below}"/>')
    straight = ROPE.replace(CAMERA, '<camera pos="0.3 -4 0" xyaxes="1 0 0 0 0 1"/>')
    seen = world(written(tmp_path, aslant), size=64)
    assert "30° aslant: train with model.camera=oblique model.tilt=30 model.fov=45." in seen.hindrance
    told, expected = (world(written(tmp_path, text), size=64).truth["constants"] for text in (aslant, straight))
    assert told == pytest.approx(expected, rel=1e-9)
    assert len(told) == 10
    rolled = ROPE.replace(CAMERA, '<camera pos="0 -5 0" xyaxes="1 0.2 0 0 0.1 1"/>')
    assert "rolled: choose another" in world(written(tmp_path, rolled)).hindrance
    below = ROPE.replace(CAMERA, f'<camera pos="0 {-4 * below} -2" xyaxes="1 0 0 0 -0.5 {below}"/>')
    assert "model.tilt=-30 " in world(written(tmp_path, below)).hindrance


def test_a_hinge_alone_counts_from_where_nothing_hangs_as_the_picture_has_it(tmp_path: Path) -> None:
    rod = f"""
    <mujoco><option timestep="0.02"/><worldbody>{CAMERA}<body euler="0 20 0"><joint type="hinge" axis="0 1 0"/>
    <geom type="capsule" fromto="0 0 0 0 0 -1.5" size="0.05" rgba="1 0 0 1"/></body></worldbody></mujoco>"""
    kwargs: dict[str, Any] = {"env_id": str(written(tmp_path, rod)), "size": 48}
    begun("mujoco", **kwargs)
    films = collect("paig/Pixels-v0", 3, 12, valid=1, test=1, env_kwargs=kwargs)
    truth = films.truth("train")
    assert truth is not None
    assert truth.position is not None
    red = films.arrays["train_x"][..., 0].astype(float) - films.arrays["train_x"][..., 1:].mean(-1)
    across = np.arange(48) + 0.5 - 24
    x, y = (red.clip(0) * across).sum((2, 3)), (red.clip(0) * across[:, None]).sum((2, 3))
    apart = np.arctan2(-x, -y) - truth.position[..., 0, 0]
    np.testing.assert_allclose(np.angle(np.exp(1j * apart)), 0, atol=0.05)
    assert np.ptp(truth.position) > 0.3


def test_what_cannot_be_learned_is_said_in_a_sentence(tmp_path: Path) -> None:
    assert world(written(tmp_path, ROPE)).hindrance is None
    assert world(CRANE).hindrance is None
    box = '<geom type="box" size="0.2'
    foot = '<body pos="3 0 0"><joint type="hinge" axis="0 1 0"/><geom type="sphere" size="0.1"/></body>'
    for text, said in (
        (ROPE.replace('xyaxes="1 0 0 0 0 1"', 'xyaxes="1 0 0 0 0.3 1"'), "aslant"),
        (ROPE.replace('axis="0 -1 0"', 'axis="0 -1 0.2"'), "three dimensions"),
        (ROPE.replace('<joint name="rail" type="slide" axis="-1 0 0"', '<joint name="rail" type="free"'), "three dim"),
        (ROPE.replace(box, f'<joint type="hinge" axis="0 1 0"/>{box}'), "'cart' slides and turns at once"),
        (ROPE.replace("disable", "enable").replace("<body name", f"{foot}<body name", 1), "contact cannot be learned"),
    ):
        text = text.replace('armature="0.3"/>', "/>").replace(' damping="0.4"', "") if "free" in text else text
        assert said in str(world(written(tmp_path, text)).hindrance)
    assert gym.make("paig/Pixels-v0", env_id="Pendulum-v1").unwrapped.hindrance is None


@pytest.mark.parametrize(
    ("text", "kwargs", "message"),
    [
        ("<mujoco><worldbody>", {}, "MuJoCo refuses .*rope.xml"),
        (f"<mujoco><worldbody>{CAMERA}</worldbody></mujoco>", {}, "has no joint, so nothing moves"),
        (ROPE.replace(CAMERA, ""), {}, "has no camera: give it one"),
        (ROPE, {"camera": "above"}, "has no camera 'above': expected a number below 1, or a name"),
        (ROPE, {"interval": -1.0}, "interval = -1.0"),
    ],
)
def test_files_that_are_no_mechanism_are_refused(
    tmp_path: Path, text: str, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(PaigError, match=message):
        world(written(tmp_path, text), env_kwargs=kwargs)


def test_a_file_or_an_engine_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PaigError, match=r"There is no file nowhere\.xml"):
        world("nowhere.xml")
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(PaigError, match=r"pip install 'paig-control\[mujoco\]'"):
        gym.make("paig/Pixels-v0", env_id=str(CRANE))


def test_a_library_for_rendering_that_is_not_there_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(name: str) -> Any:
        raise AttributeError(f"{name}: no function glGetError")

    monkeypatch.setattr(suite, "import_module", breaks)
    for env_id in (str(CRANE), "dm_control/cartpole-swingup"):
        with pytest.raises(PaigError, match=r"cannot be imported \(AttributeError: .*glGetError\)\. .*MUJOCO_GL=egl"):
            gym.make("paig/Pixels-v0", env_id=env_id)


def test_a_mechanism_is_filmed_from_random_starts_at_its_own_pace() -> None:
    env, frame, info = begun("mujoco", str(CRANE), size=32, env_kwargs={"interval": 0.04})
    assert frame.shape == (32, 32, 3)
    assert frame.std() > 1
    assert env.dt == pytest.approx(0.04)
    assert env.action_space.low.tolist() == [-1.0]
    np.testing.assert_array_equal(env.reset(seed=1)[0], frame)
    other = env.reset(seed=2)[1]["state"]
    assert np.abs(other - info["state"])[0].min() > 1e-3
    assert not other[1].any()
    assert abs(other[0, 0, 0]) <= 0.8  # the inner half of the rail
    after = env.step(np.array([1.0]))[4]["state"]
    assert after[1, 0, 0] > 0
    np.testing.assert_allclose(env.simulate(other[None], np.ones((1, 1, 1)))[0], after, atol=1e-9)
    np.testing.assert_array_equal(env.draw(after), env._frame())
    env.close()


def test_the_fifteen_lines_of_the_page_lead_to_constants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, but for fewer and smaller frames."""
    begun("mujoco", str(CRANE))[0].close()
    page = (Path(__file__).parents[1] / "docs" / "howto" / "mechanism.md").read_text()
    lines = page.split("```text\n")[1].split("```")[0].splitlines()
    assert len(lines) <= 15
    monkeypatch.chdir(tmp_path)
    Path("crane.xml").write_text(CRANE.read_text())
    end = lines.index("END")
    assert lines[0] == "cat > crane.yaml <<END"
    Path("crane.yaml").write_text("\n".join(lines[1:end]))
    fewer = {
        "collect": "sequences=10 steps=45 test=2 test_steps=45 valid=1 env.kwargs.size=44",
        "train": "recipe.discover.rounds=1 recipe.discover.steps=40 recipe.discover.frames=120",
    }
    for line in lines[end + 1 :]:
        word, command, *rest = line.split()
        assert word == "paig-control"
        assert main([command, *rest, *fewer.get(command, "").split()]) == 0
    found = json.loads(Path("runs/crane/summary.json").read_text())["constants"]
    for name, within in {"load_moment": 0.03, "actuation": 0.04, "load_length": 0.12, "gravity": 0.16}.items():
        assert found[name]["value"] == pytest.approx(found[name]["truth"], rel=within)
        assert found[name]["std"] > 0
    assert Path("runs/report/report.html").exists()
