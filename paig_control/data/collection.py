"""Collecting episodes from Gymnasium environments.

Every episode has its own seeds for its start and for its actions, derived from the one seed by its split
and its number. So the same seed gives the same file bit for bit, however many environments run side by side;
splits never share an episode; and a film never runs over the end of an episode: one that ends early is kept as
it is, with its length, and where hardly anything is left, the next number replaces it.

An environment whose starts keep clear of the border (``clear_steps``) keeps clear for as long as its film lasts, as
PAIG's do: long test films therefore begin with slower starts than short training films.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control import seeds
from paig_control.border.action_set import rows_of
from paig_control.border.lanes import Lanes
from paig_control.data.crew import Crew, Job, shares
from paig_control.data.episodes import SPLITS, Episodes
from paig_control.data.rollouts import POLICIES, Film, Policy, films, sources, unbroken
from paig_control.errors import PaigError

BLANK = 8
"""Films of one colour throughout, so many at first or all that there are, show nothing."""
Progress = Callable[[int, int], None]
"""Called with the sequences kept so far and the number wanted, over all splits."""


def collect(
    env_id: str,
    sequences: int = 60,
    steps: int = 14,
    seed: int = 0,
    policy: Policy = "random",
    *,
    valid: int | None = None,
    test: int | None = None,
    test_steps: int | None = None,
    num_envs: int | None = None,
    workers: int = 1,
    env_kwargs: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Episodes:
    """Film an environment.

    ``sequences`` counts the training films; ``valid`` and ``test`` come on top, from seeds of their own.

    Args:
        env_id: of a pixel environment (uint8 observations (h, w, 3) or in grey, finite Box actions, of any size).
        sequences: training films.
        steps: frames of each training and validation film, fewer where its episode ends.
        seed: from which all episodes' seeds are derived.
        policy: what acts.
        valid: validation films; a sixth of ``sequences`` by default, at least 4.
        test: test films; a third of ``sequences`` by default, at least 8.
        test_steps: frames of each test film, ``5 * steps // 2`` by default (PAIG's 30 for 12).
        num_envs: environments side by side; by default 64 where the environment can simulate many at once.
        workers: processes that film; the films are the same for any number. What a script does with more than one
            stands under ``if __name__ == "__main__":``, since each process imports the script.
        env_kwargs: arguments of the environment; ``clear_steps`` among them holds for all films.
        progress: called as films are kept.

    Raises:
        PaigError: for an environment that does not fit or whose episodes all end at once; with ``workers``, for what
            cannot be sent to another process, and for films that end one process after the other.
    """
    counts = {
        "train": sequences,
        "valid": max(4, sequences // 6) if valid is None else valid,
        "test": max(8, sequences // 3) if test is None else test,
    }
    lengths = {"train": steps, "valid": steps, "test": 5 * steps // 2 if test_steps is None else test_steps}
    seed = seeds.whole(seed)
    _check_counts(counts, lengths, policy)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise PaigError(f"workers = {workers!r}: expected a whole number of processes, at least 1.")
    kwargs = dict(env_kwargs or {})
    lanes = Lanes.make(env_id, kwargs, num_envs, max(counts.values()))
    by_length = isinstance(lanes.attribute("clear_steps"), int) and "clear_steps" not in kwargs
    own = num_envs is None and lanes.count > 1
    arrays: dict[str, NDArray[Any]] = {}
    done, lost = 0, Counter[str]()
    try:
        lanes.check_length(max(lengths[split] for split in SPLITS if counts[split]))
        with Crew(workers) as crew:
            for number, split in enumerate(SPLITS):
                count, length, given = counts[split], lengths[split], kwargs
                if count == 0:
                    continue
                if by_length:
                    given = {**kwargs, "clear_steps": length - 1}
                    lanes.close()
                    lanes = Lanes.make(env_id, given, num_envs, count)
                if workers == 1:
                    made = films(lanes, policy, length, sources(seed, number))
                else:
                    size = shares(count, workers, None if own else lanes.count)
                    job = Job(env_id, given, policy, length, seed, number, *size)
                    made = crew.films(job, count, f"{split} films of {lanes.name}")
                kept: list[Film] = []
                for film in unbroken(made, lanes.name, length, partial(lost.update, [split])):
                    kept.append(film)
                    done += 1
                    if len(kept) == min(count, BLANK):
                        _check_visible(kept, lanes.name)
                    if progress is not None:
                        progress(done, sum(counts.values()))
                    if len(kept) == count:
                        break
                arrays |= {f"{split}_{key}": value for key, value in _stack(kept, length).items()}
        meta = _meta(lanes, env_id, kwargs, seed, policy) | ({"left_out": dict(lost)} if lost else {})
    finally:
        lanes.close()
    return Episodes(arrays, meta, copy=False)


def _check_visible(kept: list[Film], name: str) -> None:
    if not any((film.frames != kept[0].frames[0, 0, 0]).any() for film in kept):
        raise PaigError(
            f"Nothing is ever visible in films of {name}: all pixels of the first {len(kept)} have one and the same "
            "colour. Make what moves larger, or of another colour than what is behind it."
        )


def _stack(kept: list[Film], length: int) -> dict[str, NDArray[Any]]:
    """Films as arrays of ``length`` frames, with nothing after the last one of each."""
    stacked: dict[str, NDArray[Any]] = {
        "x": _filled([film.frames for film in kept], length),
        "u": _filled([film.actions for film in kept], length - 1),
    }
    lengths = np.array([len(film.frames) for film in kept])
    if (lengths < length).any():
        stacked["lengths"] = lengths
    if not stacked["u"].size:
        del stacked["u"]  # nothing acts, as in PAIG's own films
    states = [film.states for film in kept if film.states is not None]
    if len(states) == len(kept) and len({state.shape[1:] for state in states}) == 1:
        truth = _filled(states, length)
        stacked |= {"truth_position": truth[:, :, 0], "truth_velocity": truth[:, :, 1]}
    return stacked


def _filled(films: list[NDArray[Any]], length: int) -> NDArray[Any]:
    found = np.zeros((len(films), length, *films[0].shape[1:]), films[0].dtype)
    for place, film in zip(found, films, strict=True):
        place[: len(film)] = film
    return found


def _meta(lanes: Lanes, env_id: str, kwargs: dict[str, Any], seed: int, policy: Policy) -> dict[str, Any]:
    from paig_control import __version__

    meta = {
        "env": {"id": env_id, "kwargs": kwargs},
        "dt": lanes.attribute("dt"),
        "action_low": lanes.space.low.tolist() or None,
        "action_high": lanes.space.high.tolist() or None,
        "actions": None if (rows := rows_of(lanes.space)) is None else rows.tolist(),
        "seeds": {"seed": seed},
        "policy": policy if isinstance(policy, str) else getattr(policy, "__name__", type(policy).__name__),
        "truth": lanes.attribute("truth"),
        "hindrance": lanes.attribute("hindrance"),
        "version": __version__,
    }
    plain: dict[str, Any] = json.loads(json.dumps(meta, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else repr(value)


def _check_counts(counts: Mapping[str, Any], lengths: Mapping[str, Any], policy: Any) -> None:
    for split, count in counts.items():
        least = 1 if split == "train" else 0
        name = "sequences" if split == "train" else split
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < least:
            raise PaigError(f"{name} = {count!r}: expected a whole number of films, at least {least}.")
    for split, length in lengths.items():
        name = "test_steps" if split == "test" else "steps"
        if isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 2:
            raise PaigError(f"{name} = {length!r}: expected the number of frames of a film, at least 2.")
    if not callable(policy) and policy not in POLICIES:
        known = ", ".join(map(repr, POLICIES))
        raise PaigError(f"policy = {policy!r}: expected {known} or a function of the frames so far.")
