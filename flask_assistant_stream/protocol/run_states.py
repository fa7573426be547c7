"""The status machines of runs, messages and run steps: three tables and one function."""

from __future__ import annotations

from enum import Enum

from ..errors import IllegalMove


class RunStatus(str, Enum):
    """Status of a run (OpenAPI `RunStatus`)."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    EXPIRED = "expired"


class MessageStatus(str, Enum):
    """Status of a message."""

    IN_PROGRESS = "in_progress"
    INCOMPLETE = "incomplete"
    COMPLETED = "completed"


class StepStatus(str, Enum):
    """Status of a run step."""

    IN_PROGRESS = "in_progress"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    EXPIRED = "expired"


_R, _M, _S = RunStatus, MessageStatus, StepStatus
_RUN_ENDS = frozenset({_R.CANCELLED, _R.FAILED, _R.COMPLETED, _R.INCOMPLETE, _R.EXPIRED})

RUN_MOVES: dict[Enum, frozenset[Enum]] = {
    _R.QUEUED: frozenset({_R.IN_PROGRESS, _R.CANCELLING, _R.CANCELLED, _R.FAILED, _R.EXPIRED}),
    _R.IN_PROGRESS: frozenset({_R.REQUIRES_ACTION, _R.CANCELLING}) | _RUN_ENDS,
    _R.REQUIRES_ACTION: frozenset({_R.QUEUED, _R.CANCELLING, _R.CANCELLED, _R.EXPIRED, _R.FAILED}),
    # A response may end in any way while its cancellation is in progress.
    _R.CANCELLING: _RUN_ENDS,
}
MESSAGE_MOVES: dict[Enum, frozenset[Enum]] = {_M.IN_PROGRESS: frozenset({_M.INCOMPLETE, _M.COMPLETED})}
STEP_MOVES: dict[Enum, frozenset[Enum]] = {
    _S.IN_PROGRESS: frozenset({_S.CANCELLED, _S.FAILED, _S.COMPLETED, _S.EXPIRED})
}
_TABLES = {RunStatus: RUN_MOVES, MessageStatus: MESSAGE_MOVES, StepStatus: STEP_MOVES}

RUN_ACTIVE = frozenset({_R.QUEUED, _R.IN_PROGRESS, _R.REQUIRES_ACTION, _R.CANCELLING})


def check_move(old: RunStatus | MessageStatus | StepStatus, new: RunStatus | MessageStatus | StepStatus) -> None:
    """Raise `IllegalMove` unless the table of this kind allows `old` → `new`."""
    if type(old) is not type(new) or new not in _TABLES[type(old)].get(old, frozenset()):
        raise IllegalMove(f"{type(old).__name__}: {old.value} cannot become {new.value}.")
