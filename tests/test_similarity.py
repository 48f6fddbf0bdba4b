"""Structural similarity against the formula written out in loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paig_control.evaluation.prediction import ssim


def slow(a: np.ndarray, b: np.ndarray, window: int = 11, sigma: float = 1.5) -> float:
    """Wang et al. 2004, equations 13 to 16, for one channel: every place of the window by itself."""
    place = np.arange(window) - window // 2
    weights = np.exp(-(place[:, None] ** 2 + place**2) / (2 * sigma**2))
    weights /= weights.sum()
    found = []
    for i in range(a.shape[0] - window + 1):
        for j in range(a.shape[1] - window + 1):
            x, y = a[i : i + window, j : j + window], b[i : i + window, j : j + window]
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            cov = (weights * (x - mx) * (y - my)).sum()
            top = (2 * mx * my + 0.01**2) * (2 * cov + 0.03**2)
            found.append(top / ((mx**2 + my**2 + 0.01**2) * (vx + vy + 0.03**2)))
    return float(np.mean(found))


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a = rng.random((2, 3, 16, 20))
    return a, np.clip(0.7 * a + 0.3 * rng.random(a.shape), 0, 1)


def test_it_is_the_papers_formula() -> None:
    a, b = images()
    found = ssim(torch.from_numpy(a), torch.from_numpy(b))
    expected = [np.mean([slow(x, y) for x, y in zip(*pair, strict=True)]) for pair in zip(a, b, strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
    assert 0.2 < expected[0] < 0.95


def test_equal_images_are_wholly_similar_and_inverted_ones_are_not() -> None:
    a = torch.from_numpy(images()[0])
    assert ssim(a, a).tolist() == pytest.approx([1.0, 1.0])
    assert (ssim(a, 1 - a) < 0).all()


def test_images_smaller_than_the_window_have_a_value() -> None:
    a = torch.rand(4, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    assert ssim(a, a).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
