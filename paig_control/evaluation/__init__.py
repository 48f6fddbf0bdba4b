"""Measuring: films predicted, episodes controlled beside their baselines, what goes wrong on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.evaluation.adaptation import adapt_films as adapt_films
    from paig_control.evaluation.control import (
        ControlSettings as ControlSettings,
        Judge as Judge,
        evaluate_control as evaluate_control,
        wilson as wilson,
    )
    from paig_control.evaluation.corruptions import DisturbSettings as DisturbSettings
    from paig_control.evaluation.metrics import against_truth as against_truth
    from paig_control.evaluation.prediction import (
        Prediction as Prediction,
        evaluate_prediction as evaluate_prediction,
        predict as predict,
        read as read,
        ssim as ssim,
    )
    from paig_control.evaluation.rollout import Act as Act, Played as Played, play as play

__getattr__, __dir__ = face(__name__)
