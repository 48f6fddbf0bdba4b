"""Every registered environment keeps Gymnasium's contract: parametrised over the registry."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import paig_control  # noqa: F401
from paig_control.errors import PaigError

IDS = sorted(name for name in gym.registry if name.startswith("paig/"))
VECTOR_IDS = [name for name in IDS if gym.spec(name).vector_entry_point is not None]
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*"),
    pytest.mark.filterwarnings("ignore:.*pkg_resources.*"),
]


def same(a, b):
    assert set(a) == set(b)
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def test_importing_the_package_imports_neither_torch_nor_pygame():
    code = "import sys, paig_control; print([m for m in ('torch', 'pygame') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_environments_and_data_work_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from paig_control.data.collection import collect\n"
        "print(len(collect('paig/Pendulum-v0', 2, 3, valid=0, test=0).arrays['train_x']))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "2"


def test_the_module_prefix_registers_before_making():
    code = "import gymnasium as gym; print(gym.make('paig_control:paig/Pendulum-v0').spec.max_episode_steps)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "200"


@pytest.mark.parametrize("name", IDS)
def test_gymnasiums_checker_accepts_it(name, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    check_env(gym.make(name, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("name", IDS)
def test_the_same_seed_gives_the_same_episode_and_another_seed_another(name):
    def play(seed):
        env = gym.make(name)
        frames = [env.reset(seed=seed)[0]]
        env.action_space.seed(1)
        for _ in range(8):
            frames.append(env.step(env.action_space.sample())[0])
        env.close()
        return np.stack(frames)

    first = play(4)
    np.testing.assert_array_equal(first, play(4))
    assert (first != play(5)).any()


@pytest.mark.parametrize("name", IDS)
def test_info_tells_state_goal_and_success(name):
    env = gym.make(name)
    _, info = env.reset(seed=0)
    assert info["state"].shape == info["goal_state"].shape
    assert info["state"].dtype == np.float64
    assert info["goal"].shape == env.observation_space.shape
    assert info["success"] is False
    assert set(env.get_wrapper_attr("truth")) == {"constants", "physics"}
    _, info = env.reset(seed=0, options={"state": info["goal_state"]})
    assert info["success"] is True
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_reset_begins_at_the_state_and_goal_that_are_asked_for(name):
    env = gym.make(name)
    _, info = env.reset(seed=0)
    default = info["goal_state"]
    state, goal = info["state"] + 0.5, info["state"] - 0.5
    frame, info = env.reset(options={"state": state, "goal": goal})
    np.testing.assert_array_equal(info["state"], state)
    np.testing.assert_array_equal(frame, env.unwrapped.draw(state))
    np.testing.assert_array_equal(info["goal"], env.unwrapped.draw(goal))
    _, info = env.reset()
    np.testing.assert_array_equal(info["goal_state"], default)
    np.testing.assert_array_equal(info["goal"], env.unwrapped.draw(default))
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_drawing_does_not_disturb_the_episode(name):
    def play(draw):
        env = gym.make(name)
        _, info = env.reset(seed=3)
        frames = []
        for _ in range(6):
            if draw:
                env.unwrapped.draw(info["state"] + 1.0)
            frames.append(env.step(env.action_space.high)[0])
        env.close()
        return np.stack(frames)

    np.testing.assert_array_equal(play(False), play(True))


@pytest.mark.parametrize("name", IDS)
def test_render_returns_the_observation(name):
    env = gym.make(name, render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.step(env.action_space.sample())[0]
    np.testing.assert_array_equal(env.render(), frame)
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_the_window_shows_the_enlarged_image_and_closes(name, monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make(name, render_mode="human")
    env.reset(seed=0)
    frame = env.step(env.action_space.sample())[0]
    screen = pygame.display.get_surface()
    height, width = frame.shape[:2]
    scale = 512 // max(height, width)
    assert screen.get_size() == (scale * width, scale * height)
    shown = pygame.surfarray.array3d(screen).swapaxes(0, 1)
    np.testing.assert_array_equal(shown[scale // 2 :: scale, scale // 2 :: scale], frame)
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()
    env.close()


def test_a_window_closed_by_hand_lets_the_episode_go_on(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make("paig/Pendulum-v0", render_mode="human")
    env.reset(seed=0)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    for _ in range(3):
        frame = env.step(env.action_space.sample())[0]
    assert not pygame.display.get_init()
    assert frame.shape == (32, 32, 3)
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_sync_vectors_work(name):
    envs = gym.make_vec(name, 2, vectorization_mode="sync")
    frames, info = envs.reset(seed=0)
    assert frames.shape == (2, *envs.single_observation_space.shape)
    assert info["state"].shape[0] == 2
    envs.step(envs.action_space.sample())
    envs.close()


@pytest.mark.parametrize("name", VECTOR_IDS)
def test_the_vector_equals_single_environments_step_for_step_through_automatic_resets(name):
    one_by_one = gym.make_vec(name, 3, vectorization_mode="sync", max_episode_steps=5)
    at_once = gym.make_vec(name, 3, vectorization_mode="vector_entry_point", max_episode_steps=5)
    assert at_once.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    frames, info = one_by_one.reset(seed=7)
    their_frames, their_info = at_once.reset(seed=7)
    np.testing.assert_array_equal(frames, their_frames)
    same(info, their_info)
    one_by_one.action_space.seed(0)
    endings = 0
    for _ in range(14):
        action = one_by_one.action_space.sample()
        *expected, info = one_by_one.step(action)
        *got, their_info = at_once.step(action)
        for a, b in zip(expected, got, strict=True):
            np.testing.assert_array_equal(a, b)
        same(info, their_info)
        endings += int(expected[3].sum())
    assert endings == 6


@pytest.mark.parametrize("name", VECTOR_IDS)
def test_the_vector_takes_a_seed_and_a_state_for_each(name):
    envs = gym.make_vec(name, 2)
    frames, info = envs.reset(seed=[5, 3])
    for index, seed in enumerate((5, 3)):
        np.testing.assert_array_equal(frames[index], gym.make(name).reset(seed=seed)[0])
    states = info["state"][::-1]
    turned, info = envs.reset(seed=[5, 3], options={"state": states, "goal": states[0]})
    np.testing.assert_array_equal(turned, frames[::-1])
    np.testing.assert_array_equal(info["success"], [True, False])


@pytest.mark.parametrize("name", VECTOR_IDS)
@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda envs: envs.reset(seed=[1]), "1 seeds for 2"),
        (lambda envs: envs.step(envs.action_space.sample()), "before reset"),
        (lambda envs: (envs.reset(), envs.step(np.zeros((3, 1)))), "expected finite numbers of shape"),
        (lambda envs: envs.reset(options={"state": np.zeros((3, 2, 1, 1))}), "3 states for 2"),
    ],
)
def test_the_vector_refuses_mistakes(name, mistake, words):
    with pytest.raises(PaigError, match=words):
        mistake(gym.make_vec(name, 2))


@pytest.mark.parametrize("name", VECTOR_IDS)
@pytest.mark.parametrize("settings", [{"render_mode": "human"}, {"autoreset_mode": AutoresetMode.SAME_STEP}])
def test_the_vector_refuses_what_it_cannot_do(name, settings):
    with pytest.raises(PaigError, match=next(iter(settings))):
        gym.make_vec(name, 2, **settings)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda env: env.step(env.action_space.sample()), "before reset"),
        (lambda env: env.render(), "before reset"),
        (lambda env: (env.reset(), env.step(np.nan * env.action_space.low)), "NaN"),
        (lambda env: (env.reset(), env.step(np.zeros(9))), "shape \\(9,\\)"),
        (lambda env: (env.reset(), env.step("left")), "not an array of numbers"),
        (lambda env: env.reset(options={"stat": 1}), "unknown option 'stat'"),
        (lambda env: env.reset(options={"state": [0.0, 0.0]}), "expected a finite array of shape"),
        (lambda env: env.reset(options={"goal": np.inf * np.ones_like(env.goal_state)}), "NaN or infinity"),
        (lambda env: env.draw("up"), "not an array of numbers"),
    ],
)
def test_a_mistake_is_named(name, mistake, words):
    env = gym.make(name).unwrapped
    with pytest.raises(PaigError, match=words):
        mistake(env)
    env.close()


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("size", [0, 2.5, "big", (32, 32, 3), True])
def test_a_bad_size_is_refused(name, size):
    with pytest.raises(PaigError, match="size"):
        gym.make(name, size=size)


@pytest.mark.parametrize("name", IDS)
def test_an_oblong_image_has_its_height_first(name):
    env = gym.make(name, size=(56, 72))
    assert env.reset(seed=0)[0].shape == (56, 72, 3)
    env.close()
