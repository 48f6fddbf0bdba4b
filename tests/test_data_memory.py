"""Films stay bytes: many of them are mapped, and images are made of those that are looked at."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from paig_control.data import unpacking
from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes, load
from paig_control.errors import PaigError
from paig_control.estimation.settings import IdentifySettings
from paig_control.learning.recipe import Staged
from paig_control.learning.settings import ModelSettings, RecipeSettings
from paig_control.learning.stages import refine_loop
from paig_control.models.paig import PAIG, to_images
from paig_control.physics.registry import build_physics


@pytest.fixture(scope="module")
def films() -> Episodes:
    return collect("paig_control:paig/Spring-v0", sequences=6, steps=6, seed=0, valid=0, test=0)


@pytest.mark.parametrize("stored", [True, False])
def test_many_films_are_mapped_and_the_same(
    films: Episodes, stored: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "films.npz"
    if stored:
        np.savez(path, **films.arrays)  # as they are, after other arrays
    else:
        films.save(path)
    read = load(path)
    monkeypatch.setattr(unpacking, "MAPPED", 1000)
    mapped = load(path)
    base = mapped.arrays["train_x"]
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    assert mapped.identity == read.identity
    mapped.let_go()
    assert np.array_equal(mapped.split("train").frames, films.arrays["train_x"])


@pytest.mark.parametrize("stored", [True, False])
def test_damage_is_found_in_what_is_mapped(
    films: Episodes, stored: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAPPED", 1000)
    path = tmp_path / "films.npz"
    (np.savez if stored else np.savez_compressed)(path, train_x=films.arrays["train_x"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(PaigError, match=r"films.npz is damaged"):
        load(path)


def test_without_room_for_a_temporary_file_films_are_read(
    films: Episodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking, "MAPPED", 1000)
    monkeypatch.setattr(unpacking.tempfile, "TemporaryFile", full)
    assert load(films.save(tmp_path / "films.npz")).identity == films.identity


def trainer(films: Episodes, recipe: RecipeSettings) -> Staged:
    data = films.split("train")
    physics = build_physics("spring", data.dt)
    return Staged(recipe, data, physics, ModelSettings(), 0, torch.device("cpu"), None, None)


def test_training_holds_bytes_and_its_loss_is_that_of_the_images(
    films: Episodes, pushed_model: PAIG, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RecipeSettings()
    held = trainer(films, recipe).films
    assert held.dtype == torch.uint8
    assert held.data_ptr() == torch.from_numpy(films.split("train").frames).data_ptr()
    drawn: list[torch.Tensor] = []

    def see(images: torch.Tensor) -> torch.Tensor:
        drawn.append(images)
        return torch.zeros(len(images), 2, 2)

    monkeypatch.setattr(pushed_model, "see", see)
    settings = dataclasses.replace(recipe.refine, prediction_frames=2, batch=3)
    loop = refine_loop(pushed_model, held, torch.zeros(6, 5, 4), torch.ones(6, 6, 2, dtype=torch.bool), settings, 0)
    loop.loss(0, torch.Generator().manual_seed(0), 0)
    row = torch.randint(6, (3,), generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn[0], to_images(held)[row].flatten(0, 1))


def test_the_last_identification_looks_at_so_many_films(films: Episodes) -> None:
    few = trainer(films, RecipeSettings(identify=IdentifySettings(films=3)))._spread()
    assert few is not None
    assert few.tolist() == [0, 2, 5]
    assert trainer(films, RecipeSettings(identify=IdentifySettings(films=6)))._spread() is None
    with pytest.raises(PaigError, match=r"identify.films = 0: expected at least one film"):
        IdentifySettings(films=0)
