"""Evaluation: PAIG's losses frame by frame, positions and identities against truth, what is in the picture at all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from paig_control.data.augmentation import Draws, augment, draw
from paig_control.data.episodes import Episodes
from paig_control.errors import PaigError
from paig_control.estimation.adaptation import learned_prior
from paig_control.evaluation.adaptation import adapt_films
from paig_control.evaluation.metrics import against_truth, constants_against_truth, same_everywhere
from paig_control.evaluation.prediction import Prediction, evaluate_prediction, films, predict, read
from paig_control.models.paig import PAIG
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.vision.visibility import present


def positions(data: Episodes) -> np.ndarray:
    truth = data.truth("test")
    assert truth is not None
    assert truth.position is not None
    return truth.position


def measured(error: np.ndarray, recons: np.ndarray | None = None, inputs: int = 2, shown: int = 4) -> Prediction:
    recons = error if recons is None else recons
    return Prediction(inputs, shown, torch.zeros(*error.shape, 2, 2), recons, error, np.ones_like(error))


def test_the_three_losses_cover_the_frames_that_paig_says() -> None:
    error = np.array([[9.0, 9.0, 1.0, 2.0, 5.0, 7.0], [9.0, 9.0, 3.0, 4.0, 1.0, 1.0]])
    recons = np.array([[1.0, 2.0, 3.0, 4.0, 99.0, 99.0], [0.0, 0.0, 0.0, 0.0, 99.0, 99.0]])
    found = measured(error, recons)
    assert found.losses() == {"eval_recons_loss": 1.25, "eval_pred_loss": 2.5, "eval_extrap_loss": 3.5}
    assert found.losses(np.array([False, True]))["eval_pred_loss"] == 3.5
    assert found.losses(np.array([False, False]))["eval_pred_loss"] is None
    assert found.share_above(3.0) == 0.5
    assert found.share_above(6.0) == 0.0
    short = measured(error[:, :4])
    assert short.losses()["eval_extrap_loss"] is None
    assert short.share_above(3.0) is None


def test_per_step_figures_are_those_of_the_pictures_shown(spring_model: PAIG, spring_films: Episodes) -> None:
    data = spring_films.split("test")
    reading = read(spring_model, data)
    found = predict(spring_model, data, reading, 6)
    shown = films(spring_model, data, reading, found, 4)
    for name, error in (("as read", found.reconstruction_error), ("predicted", found.error)):
        by_hand = np.square((shown[name].astype(float) - shown["camera"]) / 255).sum((2, 3, 4))
        np.testing.assert_allclose(error[:4], by_hand, atol=0.02)
    assert found.similarity.min() > 0.95
    assert found.losses() == pytest.approx(evaluate_prediction(spring_model, data, 6), rel=1e-4)
    still = np.square(np.diff(data.frames / 255.0, axis=1)).sum((2, 3, 4)).mean()
    assert found.error.mean() < 0.1 * still


def test_figures_do_not_depend_on_how_sequences_are_grouped(spring_model: PAIG, spring_films: Episodes) -> None:
    data = spring_films.split("test")
    part = dataclasses.replace(data, frames=data.frames[14:], actions=None)
    whole = predict(spring_model, data, read(spring_model, data), 6)
    alone = predict(spring_model, part, read(spring_model, part), 6)
    np.testing.assert_allclose(whole.error[14:], alone.error, rtol=1e-3, atol=1e-4)


def test_constants_of_each_sequence_are_used_for_that_sequence(spring_model: PAIG, spring_films: Episodes) -> None:
    data = spring_films.split("test")
    reading = read(spring_model, data)
    usual = predict(spring_model, data, reading, 6)
    length = torch.full((16, 1, 1), 12.0)
    length[3] = 9.0
    other = predict(spring_model, data, reading, 6, {"rest_length": length})
    changed = np.abs(other.error - usual.error).max(1) > 1e-2
    assert changed.nonzero()[0].tolist() == [3]


def test_positions_are_read_and_predicted_near_the_truth(spring_model: PAIG, spring_films: Episodes) -> None:
    data = spring_films.split("test")
    reading = read(spring_model, data)
    found = predict(spring_model, data, reading, 6)
    tracks = against_truth(spring_model.physics, reading.position, found.path, positions(spring_films))
    assert np.sqrt(np.square(tracks.reading).mean()) < 0.03
    assert np.sqrt(np.square(tracks.path[:, -1]).mean()) < 0.5
    assert tracks.swaps == 0


def test_swapped_names_are_resolved_and_an_unseen_offset_is_removed(spring_films: Episodes) -> None:
    truth = positions(spring_films)
    seen = torch.from_numpy(truth[..., ::-1, :] + [0.7, -0.4])
    for physics, left in ((build_physics("spring", 0.3), 0.0), (build_physics("bouncing", 0.3), np.hypot(0.7, 0.4))):
        tracks = against_truth(physics, seen, seen, truth)
        assert tracks.order == (1, 0)
        assert tracks.swaps == 0
        np.testing.assert_allclose(tracks.reading, left, atol=1e-9)
    assert against_truth(build_physics("spring", 0.3), seen, seen, truth).offset == pytest.approx((0.7, -0.4))


def test_sequences_in_which_identities_change_are_counted(spring_films: Episodes) -> None:
    truth = positions(spring_films)
    seen = truth.copy()
    seen[3, 10:] = seen[3, 10:, ::-1]
    seen[7, 4] = seen[7, 4, ::-1]
    tracks = against_truth(build_physics("spring", 0.3), torch.from_numpy(seen), torch.from_numpy(seen), truth)
    assert tracks.swaps == 2


@pytest.mark.parametrize(
    ("name", "blind"), [("spring", True), ("gravity", True), ("bouncing", False), ("pendulum", False)]
)
def test_only_free_bodies_move_alike_everywhere(name: str, blind: bool) -> None:
    physics: Physics = build_physics(name, 0.3)
    assert same_everywhere(physics) == blind


def test_angles_are_compared_the_short_way_round() -> None:
    physics = build_physics("pendulum", 0.05)
    truth = np.full((2, 3, 1, 1), 3.1)
    seen = torch.full((2, 3, 1, 1), 3.1 - 2 * np.pi + 0.02, dtype=torch.float64)
    np.testing.assert_allclose(against_truth(physics, seen, seen, truth).reading, 0.02, atol=1e-9)


def test_objects_that_are_cut_or_gone_are_not_present(spring_model: PAIG) -> None:
    places = torch.tensor(
        [
            [[10.0, 10.0], [20.0, 20.0]],
            [[10.0, 10.0], [31.0, 20.0]],
            [[2.5, 10.0], [20.0, 20.0]],
            [[4.0, 10.0], [20.0, 4.0]],
        ]
    )
    poses = torch.cat([places, torch.zeros(4, 2, 1)], -1)
    images = spring_model.renderer(poses).detach()
    expected = [[True, True], [True, False], [False, True], [True, True]]
    assert present(spring_model.renderer, poses, images).tolist() == expected
    images[0, 1] = 0  # the second ball is taken out
    images[3, 2] = 0  # the first one
    expected[0][1], expected[3][0] = False, False
    assert present(spring_model.renderer, poses, images).tolist() == expected


def test_rest_lengths_of_zoomed_films_are_found_from_their_first_frames(
    spring_model: PAIG, spring_films: Episodes
) -> None:
    data = spring_films.split("test")
    draws = draw("zoom", 16, seed=1)
    new = augment(data, draws)
    reading = read(spring_model, new)
    prior = learned_prior(spring_model.physics, {})
    found = adapt_films(spring_model, new, reading, 10, prior, 0.01)
    errors = constants_against_truth(found.together, {"rest_length": 12 * draws.zoom})["rest_length"]
    assert errors["median"] < 0.005
    assert errors["worst"] < 0.03
    before = predict(spring_model, new, reading, 6).losses()["eval_pred_loss"]
    values = spring_model.physics.as_values(found.together.free)
    after = predict(spring_model, new, reading, 6, values).losses()["eval_pred_loss"]
    assert before is not None
    assert after is not None
    assert after < 0.2 * before


def test_balls_pushed_out_of_the_picture_are_left_out_and_counted(spring_model: PAIG, spring_films: Episodes) -> None:
    whole = spring_films.split("test")
    data = dataclasses.replace(whole, frames=whole.frames[:7], actions=None)
    aside = Draws(np.ones((7, 2)), np.ones(7), np.tile([9.0, 0.0], (7, 1)))
    new, prior = augment(data, aside), learned_prior(spring_model.physics, {})
    out = (positions(spring_films)[:7, :10, :, 0] + 9.0 + 2.0 > 32.0 - 1.0).sum()
    found = adapt_films(spring_model, new, read(spring_model, new), 10, prior, 0.01)
    assert found.missing == pytest.approx(out, abs=0.15 * out)
    assert 0 < found.films_missing < 7
    inside = adapt_films(spring_model, data, read(spring_model, data), 10, prior, 0.01)
    assert inside.missing < 0.2 * found.missing


def test_films_that_do_not_fit_are_refused(spring_model: PAIG, spring_films: Episodes) -> None:
    data = spring_films.split("test")
    reading = read(spring_model, data)
    short = dataclasses.replace(data, frames=data.frames[:, :4], actions=None)
    with pytest.raises(PaigError, match="nothing to predict"):
        predict(spring_model, short, reading, 6)
    with pytest.raises(PaigError, match="prediction_frames"):
        predict(spring_model, data, reading, 0)
    with pytest.raises(PaigError, match="adapt_frames"):
        adapt_films(spring_model, data, reading, 21, learned_prior(spring_model.physics, {}), 0.01)
