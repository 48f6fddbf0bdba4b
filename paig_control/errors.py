"""The one error that a user's mistake raises: what was wrong, what was expected, how to mend it.

Everything that comes from outside (files, images, settings, environments) is checked where it enters and
refused with this error; the command line prints its message without a traceback.
"""


class PaigError(ValueError):
    """A mistake that the user can mend; the message says how."""
