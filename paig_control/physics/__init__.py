"""Physics as bodies, joints and forces, or as a class of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.physics.base import Physics as Physics, integrate_by as integrate_by
    from paig_control.physics.check import check_physics as check_physics, untold as untold
    from paig_control.physics.dynamics import (
        ANGLE as ANGLE,
        PLANE as PLANE,
        Constant as Constant,
        Coordinate as Coordinate,
        Dynamics as Dynamics,
    )
    from paig_control.physics.force import Force as Force
    from paig_control.physics.forces import (
        AnchoredSpring as AnchoredSpring,
        Attraction as Attraction,
        Drag as Drag,
        Friction as Friction,
        Motor as Motor,
        Push as Push,
        QuadraticDrag as QuadraticDrag,
        Spring as Spring,
        Walls as Walls,
        Weight as Weight,
    )
    from paig_control.physics.joints import Body as Body
    from paig_control.physics.mechanism import Mechanism as Mechanism, Motion as Motion
    from paig_control.physics.registry import (
        build_dynamics as build_dynamics,
        build_physics as build_physics,
        register as register,
    )

__getattr__, __dir__ = face(__name__)
