"""Episode files and their collection from Gymnasium environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.data.augmentation import augment as augment, draw as draw
    from paig_control.data.collection import collect as collect
    from paig_control.data.episodes import Episodes as Episodes, Sequences as Sequences, Truth as Truth, load as load

__getattr__, __dir__ = face(__name__)
