"""Errors a user can act on: the message names what is wrong, what was expected and the remedy."""


class BenchmarkError(Exception):
    """Something the user gave or must provide is wrong; shown without a traceback, exit code 1."""


class DataError(BenchmarkError):
    """A data set or a file of it cannot be used.

    ``problems`` lists every problem found, so that a user mends a data set in one go.
    """

    def __init__(self, *problems: str):
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class UnknownNameError(BenchmarkError):
    """A name that is not registered; the message lists what exists and suggests the nearest."""
