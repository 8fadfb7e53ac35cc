"""Why nothing was counted."""


class CountFailed(Exception):
    """A run did not do what it was to do."""
