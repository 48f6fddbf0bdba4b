"""Goals: as files and pictures, drawn where they can be reached, and checked where they enter."""
