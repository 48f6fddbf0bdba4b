"""The live window, played by events without a screen: the world follows the hand, and the agent the goal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pygame
import pytest
import torch
from PIL import Image

import paig_control as paig
from paig_control.agents.settings import CEMSettings, GoalSettings
from paig_control.cli.main import main
from paig_control.errors import PaigError
from paig_control.estimation.online import OnlineAdapter
from paig_control.models.paig import PAIG
from paig_control.viewer import commands
from paig_control.viewer.commands import Whose
from paig_control.viewer.loop import Loop
from paig_control.viewer.recording import Lockstep, record, writer
from paig_control.viewer.script import LEFT, RIGHT, Script
from paig_control.viewer.session import Learned, Session
from paig_control.viewer.theme import Layout
from paig_control.viewer.window import Beat, Window, show
from paig_control.viewer.world import World


def make_session(model: PAIG) -> Session:
    physics = model.physics
    env = gym.make("paig/ThreeBody-v0", disable_env_checker=True)
    planner = paig.CEM(CEMSettings(horizon=3, samples=160, iterations=3, elites=10))
    space = env.action_space
    aims = GoalSettings(time_scale=1.0)
    agent = paig.MPCAgent(model, planner, space.low, space.high, goal_settings=aims)
    known = Learned({"gravity": 0.01, "actuation": 1e-4}, lambda: OnlineAdapter(physics, 0.02))
    goal = env.get_wrapper_attr("draw")(env.get_wrapper_attr("goal_state"))
    return Session(World(env, 0.5), agent, model, known, goal, goal, seed=3)


@pytest.fixture
def session(bodies_model: PAIG) -> Iterator[Session]:
    made = make_session(bodies_model)
    yield made
    made.close()


@pytest.fixture
def user(session: Session) -> Iterator[Script]:
    source = Lockstep(session)
    with Window(source, "three bodies", (1280, 800)) as window:
        yield Script(window, source, rate=2.0)


def belief(user: Script, name: str) -> float:
    return next(one.value for one in user.now.constants if one.whose is Whose.BELIEF and one.name == name)


def truth(user: Script) -> dict[str, float]:
    return user.source.session.world.env.get_wrapper_attr("truth")["constants"]


def places(user: Script) -> np.ndarray:
    state = user.source.session.world.state
    assert state is not None
    return state[0]


def distance(user: Script, wanted: np.ndarray) -> float:
    """Root mean square distance of the bodies from where they should be, px, over the next two seconds."""
    errors = []
    for _ in range(4):
        user.wait(0.5)
        errors.append(np.square(places(user) - wanted).mean())
    return float(np.sqrt(np.mean(errors)))


def test_a_scripted_session_moves_goal_and_gravity_adapts_and_begins_again(user: Script) -> None:
    start, former = places(user).copy(), user.now.goal
    assert user.now.target is not None
    wanted = user.now.target.copy()
    wanted[0] += (7.0, 3.0)
    user.drag(LEFT, user.on_camera(user.now.target[0]), user.on_camera(wanted[0]))
    np.testing.assert_allclose(user.now.target, wanted, atol=0.1)
    assert not np.array_equal(user.now.goal, former)
    user.wait(7.0)
    assert distance(user, wanted) < 0.7

    user.slide(Whose.WORLD, "gravity", 120.0)
    assert truth(user)["gravity"] == pytest.approx(120, rel=0.03)
    assert belief(user, "gravity") == pytest.approx(60)
    user.wait(4.0)
    off = distance(user, wanted)

    user.key(pygame.K_a)
    user.wait(20.0)  # 40 frames: up to 20 to be sure of the change, as many to come back under bounded forces
    assert user.now.adapting
    assert belief(user, "gravity") == pytest.approx(truth(user)["gravity"], rel=0.05)
    assert distance(user, wanted) < min(off, 0.7)

    user.key(pygame.K_r)
    assert user.now.step == 0
    np.testing.assert_array_equal(places(user), start)
    assert truth(user)["gravity"] == belief(user, "gravity") == pytest.approx(60)
    np.testing.assert_allclose(user.now.target, wanted, atol=0.1)


def test_marks_stand_where_things_are_seen_even_if_all_that_is_learned_is_shifted(bodies_model: PAIG) -> None:
    bodies_model.kinematics.shift(torch.tensor([[2.0, 7.0]] * 3))
    session = make_session(bodies_model)
    source = Lockstep(session)
    with Window(source, "shifted") as window:
        user = Script(window, source, rate=2.0)
        user.wait(2.0)
        np.testing.assert_allclose(user.now.found, places(user), atol=0.3)
        np.testing.assert_allclose(user.now.position - user.now.found, [[2.0, 7.0]] * 3, atol=1e-3)
        assert user.now.imagined is not None
        np.testing.assert_allclose(user.now.imagined.path[0], user.now.found, atol=1e-3)
        assert user.now.target is not None
        wanted = user.now.target[0] + (3.0, 2.0)
        user.drag(LEFT, user.on_camera(user.now.target[0]), user.on_camera(wanted))
        np.testing.assert_allclose(user.now.target[0], wanted, atol=0.1)
        drawn = user.now.goal[..., 2].astype(float)  # the first body is blue
        rows, columns = (np.arange(36) + 0.5,) * 2
        centre = (drawn.sum(0) @ columns / drawn.sum(), drawn.sum(1) @ rows / drawn.sum())
        np.testing.assert_allclose(centre, wanted, atol=0.2)
    session.close()


def test_a_kick_changes_the_velocity_of_the_body_under_the_hand_alone(user: Script) -> None:
    user.key(pygame.K_SPACE)
    before = user.source.session.world.state.copy()  # type: ignore[union-attr]
    point = user.now.found[2]
    user.drag(RIGHT, user.on_camera(point), user.on_camera((point[0] + 5.0, point[1] - 10.0)))
    after = user.source.session.world.env.get_wrapper_attr("_now")[0]
    np.testing.assert_allclose(after[1, 2] - before[1, 2], [2.0, -4.0], atol=0.2)
    np.testing.assert_array_equal(after[:, :2], before[:, :2])
    np.testing.assert_array_equal(after[0], before[0])


def test_a_kick_into_the_void_is_told_and_moves_nothing(user: Script) -> None:
    user.key(pygame.K_SPACE)
    before = user.source.session.world.state
    user.drag(RIGHT, user.on_camera((0.5, 0.5)), user.on_camera((9, 9)))
    assert user.now.message is not None
    assert user.now.message.wrong
    assert user.source.session.world.state is before


def test_a_dropped_picture_is_the_goal_and_what_is_no_picture_changes_nothing(user: Script, tmp_path: Path) -> None:
    draw = user.source.session.world.env.get_wrapper_attr("draw")
    wanted = np.array([[10.0, 10.0], [26.0, 12.0], [18.0, 28.0]])
    Image.fromarray(draw(np.stack([wanted, np.zeros((3, 2))]))).save(tmp_path / "goal.png")
    (tmp_path / "words.png").write_text("no picture")
    user.drop(str(tmp_path / "goal.png"))
    np.testing.assert_allclose(user.now.target, wanted, atol=0.1)
    kept = user.now.goal
    for name in ("words.png", "nothing.png"):
        user.drop(str(tmp_path / name))
        assert user.now.message is not None
        assert user.now.message.wrong
        assert name in user.now.message.text
        assert user.now.goal is kept
    user.wait(1.0)
    np.testing.assert_allclose(user.now.target, wanted, atol=0.1)


def test_a_goal_is_said_that_no_force_can_hold_once_it_is_left_alone(user: Script) -> None:
    assert user.now.target is not None
    first, second = user.now.target[:2].copy()
    user.drag(LEFT, user.on_camera(first), user.on_camera(second + 0.8))  # gravity 60 px³/s² pulls with 47 px/s²
    before = user.now.message
    assert before is None or "hold" not in before.text
    user.wait(1.5)
    assert user.now.message is not None
    assert "no action can hold the goal" in user.now.message.text
    user.drag(LEFT, user.on_camera(user.now.target[0]), user.on_camera(first))
    told = user.now.message
    user.wait(1.5)
    assert user.now.message is told


def test_a_goal_that_moves_leaves_the_filter_as_it_is(user: Script) -> None:
    user.wait(3.0)
    mean = user.source.session.agent.perception.filter.belief
    assert user.now.target is not None
    user.drag(LEFT, user.on_camera(user.now.target[1]), user.on_camera(user.now.target[1] + 3.0))
    assert user.source.session.agent.perception.filter.belief is mean


def test_without_the_planner_nothing_is_done_and_with_it_again_something(user: Script) -> None:
    user.key(pygame.K_p)
    user.wait(1.0)
    assert not user.now.planning
    assert not user.now.action.any()
    user.press(LEFT, user.window.layout.planner.center)
    user.wait(1.0)
    assert user.now.planning
    assert user.now.action.any()


def test_pause_holds_time_a_step_is_one_and_the_pace_counts(user: Script) -> None:
    user.key(pygame.K_SPACE)
    user.wait(2.0)
    assert user.now.step == 0
    user.key(pygame.K_RIGHT)
    assert (user.now.step, user.now.paused) == (1, True)
    user.key(pygame.K_SPACE)
    user.key(pygame.K_LEFTBRACKET)
    before = user.now.step
    user.wait(4.0)
    assert user.now.pace == 0.5
    assert user.now.step - before == pytest.approx(4, abs=1)


def test_a_belief_that_is_set_is_what_the_agent_plans_with_and_a_right_click_brings_back_the_learned(
    user: Script,
) -> None:
    user.slide(Whose.BELIEF, "gravity", 200.0)
    physics = user.source.session.agent.model.physics
    assert physics.values()["gravity"] == pytest.approx(200, rel=0.03)
    assert truth(user)["gravity"] == 60
    slider = user.slider(Whose.BELIEF, "gravity")
    user.press(RIGHT, slider.track.center)
    assert physics.values()["gravity"] == pytest.approx(60)


def test_a_new_start_keeps_the_constants_that_were_set(user: Script) -> None:
    start = places(user).copy()
    user.slide(Whose.WORLD, "gravity", 30.0)
    user.key(pygame.K_n)
    assert np.abs(places(user) - start).max() > 0.1
    assert truth(user)["gravity"] == pytest.approx(30, rel=0.03)


def test_the_window_fits_any_size_and_shows_help(user: Script) -> None:
    for size in ((700, 900), (1500, 600), (200, 100)):
        user.post(pygame.VIDEORESIZE, w=size[0], h=size[1], size=size)
        plain = user.draw()
        assert plain.shape == (size[1], size[0], 3)
        user.key(pygame.K_h)
        assert not np.array_equal(user.draw(), plain)
        user.key(pygame.K_ESCAPE)
        assert user.window.open
    layout = Layout((900, 600), (36, 36))
    for picture in (layout.camera, layout.futures, layout.goal):
        assert pygame.Rect(0, 0, 900, 600).contains(picture)
    user.key(pygame.K_ESCAPE)
    assert not user.window.open


def test_a_window_opens_after_something_else_has_ended_pygame(session: Session) -> None:
    for _ in range(2):
        with Window(Lockstep(session), "again") as window:
            window.frame(0.0)
        pygame.quit()  # as Gymnasium's environments do when they are closed


def test_the_camera_panel_shows_the_frame_as_large_squares(user: Script) -> None:
    user.key(pygame.K_g)
    shown, place = user.draw(), user.window.layout.camera
    scale = user.window.layout.scale(place)
    squares = shown[place.top : place.bottom, place.left : place.right].reshape(36, scale, 36, scale, 3)
    corners = squares[:, 0, :, 0]
    alike = (corners == user.now.frame).all(-1)
    assert alike.mean() > 0.85


def test_slider_places_and_values_are_inverse(user: Script) -> None:
    slider = user.slider(Whose.WORLD, "gravity")
    for value in (15.0, 31.0, 60.0, 240.0):
        assert slider.value(slider.place(value)) == pytest.approx(value, rel=0.02)
    assert slider.place(60.0) == pytest.approx(slider.track.centerx, abs=1)


def test_a_drag_asks_for_many_places_and_only_the_last_is_obeyed() -> None:
    asked = [commands.MoveGoal(0, (float(i), 0.0)) for i in range(5)]
    stop = commands.Pause()
    assert commands.latest([*asked, stop, *asked]) == [asked[-1], stop, asked[-1]]
    assert commands.latest([stop, stop]) == [stop, stop]


# -- live ----------------------------------------------------------------------------------------------------


def test_the_loop_keeps_the_worlds_rate_while_the_window_draws_at_its_own_and_both_end(session: Session) -> None:
    before = threading.active_count()
    with Loop(session) as loop, Window(loop, "live") as window:
        loop.ask(commands.Pace(1))  # twice 2 Hz
        begin, drawn = time.monotonic(), 0
        while (steps := loop.latest.step) < 4 and time.monotonic() - begin < 60:
            drawn += show(window, loop, seconds=0.2).drawn
        assert steps == pytest.approx(4, abs=1)
        assert time.monotonic() - begin > 0.6
        assert drawn > 2 * steps
        loop.ask(commands.Pause())
        while not (halted := loop.latest).paused:
            time.sleep(0.01)
        time.sleep(0.6)
        assert loop.latest is halted
    assert threading.active_count() == before


def test_closing_the_window_by_hand_ends_the_show(session: Session) -> None:
    with Loop(session) as loop, Window(loop, "live") as window:
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        assert show(window, loop, seconds=20).drawn == 1


def test_what_fails_in_the_loop_is_raised_in_the_window(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the camera is gone")

    monkeypatch.setattr(session, "advance", fail)
    with pytest.raises(RuntimeError, match="camera is gone"), Loop(session) as loop, Window(loop, "live") as window:
        show(window, loop, seconds=20)


def test_the_beat_counts_what_it_misses() -> None:
    now = [0.0]

    def spend(seconds: float) -> None:
        now[0] += seconds

    beat = Beat(rate=50, clock=lambda: now[0], sleep=spend)
    for drawing in (0.004, 0.019, 0.07, 0.021, 0.004):  # of a beat of 0.02 s
        spend(drawing)
        beat.wait()
    assert (beat.drawn, beat.dropped) == (5, 3 + 1)
    assert now[0] == pytest.approx(9 / 50)


# -- recording -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "pictures"), [("view.gif", 3), ("view.png", 1), ("pictures", 3)])
def test_the_window_is_filmed(session: Session, tmp_path: Path, name: str, pictures: int) -> None:
    source = Lockstep(session)
    with Window(source, "filmed", (640, 400)) as window:
        record(source, window, writer(tmp_path / name, 2.0), seconds=1.5, rate=2.0)
    assert source.latest.step == 2
    written = sorted((tmp_path / name).iterdir()) if name == "pictures" else [tmp_path / name]
    with Image.open(written[-1]) as image:
        assert image.size == (640, 400)
        assert getattr(image, "n_frames", 1) * len(written) == pictures


def test_without_a_screen_the_command_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for driver, said in (("dummy", "record=view.gif"), ("x11", "no folder")):
        monkeypatch.setenv("SDL_VIDEODRIVER", driver)
        assert main(["view", "run=nowhere", "env=spring"]) == 2
        assert said in capsys.readouterr().err


def test_a_screen_that_is_not_there_is_told(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    pygame.display.quit()
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("DISPLAY", ":77")
    with pytest.raises(PaigError, match="SDL_VIDEODRIVER=dummy"):
        Window(Lockstep(session), "nowhere")
