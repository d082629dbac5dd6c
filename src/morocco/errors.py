"""The one error that a person is meant to read: what is wrong, where, and what to do."""

from __future__ import annotations


class MoroccoError(Exception):
    """A problem that a user can mend.

    ``place`` names the file (and line), model, run or key; ``hint`` says what to do about it.
    Commands print it without a traceback and exit with ``exit_code``.
    """

    exit_code = 2

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.place}: {self.message}" if self.place else self.message
        return f"{head}\n  -> {self.hint}" if self.hint else head


class EngineError(MoroccoError):
    """The container engine or the machine failed, not the model: the run must be done again."""

    exit_code = 3
