"""The paper's recipe: its eyes and renderer in this library's pixel geometry, and a training that can be stopped."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from paig_control.cli.main import main
from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes
from paig_control.errors import PaigError
from paig_control.estimation.state import trajectory
from paig_control.evaluation.prediction import evaluate_prediction
from paig_control.learning import trainer as training
from paig_control.learning.optimise import LoopState, run_loop
from paig_control.learning.paper import annealed, clip_elements, glorot, joint_loop, rmsprop
from paig_control.learning.recipe import Run, train
from paig_control.learning.settings import ModelSettings, PaperSettings
from paig_control.models import checkpoint
from paig_control.models.estimators import VelocityNetwork
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_dynamics, build_physics
from paig_control.types import State
from paig_control.vision.kinematics import Planar
from paig_control.vision.paper import MaskedLocalizer, TemplateRenderer

TINY = PaperSettings(epochs=6, batch=4, learning_rate=1e-3, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def balls() -> Episodes:
    """Eight passive films of two balls on a spring, 24 x 24 pixels."""
    return collect(
        "paig_control:paig/Spring-v0",
        sequences=8,
        steps=12,
        seed=1,
        policy="zero",
        valid=2,
        test=3,
        test_steps=16,
        env_kwargs={"size": 24, "rest_length": 8.0},
    )


def model(size: tuple[int, int] = (24, 24)) -> PAIG:
    torch.manual_seed(0)
    physics = build_physics("spring", 0.3, force=False)
    parts = (Planar(2), MaskedLocalizer(2, size), TemplateRenderer(size, 2))
    return PAIG(physics, *parts, polish=0, estimator=VelocityNetwork).apply(glorot)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paper") / "run"


@pytest.fixture(scope="module")
def run(balls: Episodes, folder: Path) -> Run:
    return train(balls.split("train"), build_physics("spring", 0.3, force=False), recipe=TINY, seed=2, out=folder)


# -- eyes and renderer -----------------------------------------------------------------------------------


def blob(renderer: TemplateRenderer, at: tuple[float, float]) -> None:
    """Make the first template a bright, opaque blob about a place (texels) of a black, otherwise clear one."""
    rows, columns = renderer.mask.shape[-2:]
    x, y = torch.arange(columns) + 0.5 - at[0], torch.arange(rows) + 0.5 - at[1]
    shape = torch.exp(-(x**2 + y[:, None] ** 2) / 2)
    for grown, value in ((renderer.mask, 20 * shape - 10), (renderer.content, torch.full((3, rows, columns), 9.0))):
        with torch.no_grad():
            grown.out.weight.zero_()
            grown.out.bias.view(grown.shape)[:] = -30.0
            grown.out.bias.view(grown.shape)[0] = value
    with torch.no_grad():
        renderer.background.out.weight.zero_()
        renderer.background.out.bias.fill_(-30.0)


def centre(frames: torch.Tensor) -> torch.Tensor:
    """Centre of brightness ``(B, 2)``, pixels."""
    ink = frames.sum(1)
    height, width = ink.shape[-2:]
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    total = ink.sum((1, 2))
    return torch.stack([(ink * x).sum((1, 2)) / total, (ink * y[:, None]).sum((1, 2)) / total], -1)


def test_a_template_is_drawn_with_its_middle_on_the_place_at_two_pixels_a_texel() -> None:
    renderer = TemplateRenderer((24, 36), 2)
    places = torch.tensor([[18.0, 12.0], [6.0, 5.0], [30.0, 19.0]])
    pose = torch.cat([places, torch.zeros(3, 1)], -1)[:, None].expand(-1, 2, -1)
    blob(renderer, (9.0, 6.0))
    assert float((centre(renderer(pose).detach()) - places).abs().max()) < 0.02
    blob(renderer, (10.0, 5.0))
    offset = centre(renderer(pose).detach()) - places
    assert torch.allclose(offset, torch.tensor([2.0, -2.0]).expand(3, 2), atol=0.05)


def test_a_mask_stronger_than_the_backgrounds_hides_it_and_a_weaker_does_not() -> None:
    renderer = TemplateRenderer((16, 16), 2)
    blob(renderer, (4.0, 4.0))
    frame = renderer(torch.tensor([[[8.0, 8.0, 0.0], [4.0, 4.0, 0.0]]]))[0].detach()
    assert float(frame[:, 7:9, 7:9].min()) > 0.98
    assert float(frame[:, 0, :].max()) < 0.02


@pytest.mark.parametrize("size", [(24, 24), (21, 30), (44, 48)])
def test_masks_share_out_each_pixel_and_places_lie_in_the_image(size: tuple[int, int]) -> None:
    eyes = MaskedLocalizer(3, size)
    images = torch.rand(4, 3, *size)
    masks = eyes.masks(images)
    assert masks.shape == (4, 3, *size)
    assert float(masks.detach().min()) > 0
    assert float(masks.detach().sum(1).max()) < 1
    places = eyes(images)
    assert places.shape == (4, 3, 2)
    assert bool(((places > 0) & (places < torch.tensor([size[1], size[0]]))).all())


def test_a_place_is_read_off_the_objects_own_share_alone() -> None:
    eyes = MaskedLocalizer(2, (24, 24))
    images = torch.rand(2, 3, 24, 24)
    eyes.masks = lambda given: torch.stack([torch.ones(2, 24, 24), torch.zeros(2, 24, 24)], 1)  # type: ignore[method-assign]
    places = eyes(images)
    assert float((places[0, 0] - places[1, 0]).detach().abs().max()) > 1e-3
    assert torch.equal(places[0, 1], places[1, 1])


def test_images_too_large_for_weights_for_every_pixel_are_refused() -> None:
    with pytest.raises(PaigError, match="recipe=default"):
        MaskedLocalizer(2, (300, 300))


# -- model -----------------------------------------------------------------------------------------------


def test_the_velocity_network_reads_objects_alike_and_apart() -> None:
    network = VelocityNetwork(build_physics("spring", 0.3, objects=3), (24, 24), 4)
    seen = torch.rand(5, 4, 3, 2) * 20
    velocity = network(seen)
    assert velocity.shape == (5, 3, 2)
    assert torch.allclose(network(seen[:, :, [2, 0, 1]]), velocity[:, [2, 0, 1]], atol=1e-5)


def test_prediction_starts_at_the_last_input_frame_and_follows_the_physics() -> None:
    original = model()
    coordinates, none = torch.rand(3, 4, 2, 2) * 24, torch.zeros(3, 9, 0)
    path = original.unroll(coordinates, none)
    assert torch.equal(path[:, :4], coordinates)
    start = State(coordinates[:, -1], original.estimator(coordinates))
    assert torch.allclose(path[:, 3:], trajectory(original.physics, start, none[:, :6]))
    estimate = original.estimate(coordinates, none[:, :3])
    assert torch.equal(estimate.velocity, start.velocity)


def test_the_state_at_the_first_frame_leads_to_that_at_the_last() -> None:
    original = model()
    frames = torch.randint(256, (2, 4, 24, 24, 3), dtype=torch.uint8)
    none = torch.zeros(2, 3, 0)
    first, last = original.infer(frames, none), original.estimate(original.locate(frames), none)
    there = trajectory(original.physics, first, none)[:, -1]
    assert float((there - last.position).abs().max().detach()) < 0.2


def test_from_few_frames_the_velocity_is_that_of_the_last_step() -> None:
    coordinates = torch.tensor([[[[3.0, 4.0], [8.0, 8.0]], [[3.6, 4.0], [8.0, 7.7]]]])
    state = model().estimate(coordinates, torch.zeros(1, 1, 0))
    assert torch.allclose(state.velocity, torch.tensor([[[2.0, 0.0], [0.0, -1.0]]]), atol=1e-5)
    assert float(model().estimate(coordinates[:, :1], torch.zeros(1, 0, 0)).velocity.abs().max()) == 0.0


# -- training --------------------------------------------------------------------------------------------


def test_the_loss_falls(balls: Episodes) -> None:
    original = model()
    films = torch.from_numpy(balls.split("train").frames)
    loop = joint_loop(original, films[:4], torch.zeros(4, 11, 0), replace(TINY, epochs=16, learning_rate=3e-3), 0)

    def loss() -> float:
        return float(loop.loss(0, torch.Generator(), 0)[0].detach())

    before = loss()
    run_loop(loop, original, LoopState(), lambda s: None, lambda f, t: None, lambda n: None)
    assert loss() < 0.5 * before


def test_a_step_of_its_optimiser_is_that_of_the_original() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimiser = rmsprop([{"params": [weight], "lr": 0.1}])
    (weight * torch.tensor([0.5, 3.0])).sum().backward()
    assert float(clip_elements([weight])) == 3.0
    optimiser.step()
    expected = [w - 0.1 * g / math.sqrt(0.9 + 0.1 * g**2) for w, g in ((1.0, 0.5), (2.0, 1.0))]
    assert weight.tolist() == pytest.approx(expected)
    assert [annealed(done) for done in (0.0, 0.74, 0.75, 1.0)] == [1.0, 1.0, 0.2, 0.2]


def test_every_epoch_sees_every_film_once(balls: Episodes) -> None:
    films = torch.arange(8).byte().reshape(8, 1, 1, 1, 1).expand(8, 12, 24, 24, 3)
    seen: list[float] = []
    original = model()
    original.see = lambda part: seen.extend(part[:, 0, 0, 0].tolist()) or torch.zeros(len(part), 2, 2)  # type: ignore[method-assign, assignment, func-returns-value]
    loop = joint_loop(original, films, torch.zeros(8, 11, 0), replace(TINY, batch=3), 0)
    for step in range(3):
        loop.loss(step, torch.Generator(), 0)
    assert sorted(round(255 * value) for value in seen) == sorted([*range(8)] * 10)


class StopError(Exception):
    """Stops a training in its middle."""


def test_a_stopped_run_resumes_to_the_result_of_an_undisturbed_one(
    run: Run, balls: Episodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(resume: bool) -> Run:
        physics = build_physics("spring", 0.3, force=False)
        return train(balls.split("train"), physics, recipe=TINY, seed=2, out=tmp_path, resume=resume)

    save, calls = checkpoint.save, []

    def save_and_stop(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == 5:
            raise StopError

    monkeypatch.setattr(training.checkpoint, "save", save_and_stop)
    with pytest.raises(StopError):
        again(resume=False)
    monkeypatch.setattr(training.checkpoint, "save", save)
    assert checkpoint.load(tmp_path).trainer is not None
    resumed = again(resume=True)
    assert "Resumed in stage joint at step 5" in resumed.notes[0]
    for name, value in run.model.state_dict().items():
        assert torch.allclose(resumed.model.state_dict()[name], value, atol=1e-6), name


def test_seconds_end_training_whatever_its_epochs(balls: Episodes) -> None:
    physics = build_physics("spring", 0.3, force=False)
    short = train(balls.split("train"), physics, recipe=replace(TINY, epochs=10_000, cpu_seconds=0.5), seed=0)
    assert 0.5 <= short.cpu_seconds < 5
    assert len(short.history["joint"]) >= 1


def test_constants_come_without_error_bars_and_failure_is_said(run: Run) -> None:
    assert set(run.constants) == {"stiffness", "rest_length"}
    assert all(math.isnan(estimate.std) for estimate in run.constants.values())
    assert "± —" in str(run.constants["rest_length"])
    assert not run.converged
    assert "has not converged" in run.notes[-1]


def test_the_checkpoint_gives_the_model_back_and_it_evaluates(run: Run, folder: Path, balls: Episodes) -> None:
    loaded = checkpoint.load(folder)
    test = balls.split("test")
    frames = torch.from_numpy(test.frames)
    assert loaded.model.estimator.kind == "velocity_network"
    assert torch.equal(loaded.model.locate(frames), run.model.locate(frames))
    assert evaluate_prediction(loaded.model, test, 6) == evaluate_prediction(run.model, test, 6)


def test_what_the_paper_did_not_publish_is_refused(films: Episodes, balls: Episodes) -> None:
    with pytest.raises(PaigError, match="never published"):
        train(films.split("train"), build_physics("pendulum", 0.05), recipe=TINY)
    physics = build_physics("spring", 0.3, force=False)
    with pytest.raises(PaigError, match="only input_frames applies"):
        train(balls.split("train"), physics, ModelSettings(channels=16), TINY)
    with pytest.raises(PaigError, match="physics with laws"):
        train(balls.split("train"), build_dynamics("lstm", 0.3, {"force": False}), recipe=TINY)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["recipe.batch=0"], "recipe.batch = 0"),
        (["recipe.epochs=0"], "recipe.epochs = 0"),
        (["recipe.cpu_seconds=-1"], "recipe.cpu_seconds = -1"),
        (["recipe.refine.steps=10"], "train has no recipe.refine"),
        (["experiment=quick"], "experiment=quick sets recipe.warm_start"),
        (["recipe=papers"], "did you mean paper?"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(
    balls: Episodes, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    balls.save(tmp_path / "films.npz")
    out = tmp_path / "run"
    choice = [] if words == ["recipe=papers"] else ["recipe=paper"]
    assert main(["train", f"data={tmp_path / 'films.npz'}", "physics=spring", *choice, *words, f"out={out}"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert not out.exists()
