"""From readings to states and constants: least squares and one Kalman filter, through the physics."""
