"""From frames to coordinates and back: kinematics, localiser, renderer, discovery."""
