"""Records by id, with the words of the Assistants API where there is none (`spec/assistants.md#errors`)."""

from __future__ import annotations

from ...errors import NotFound, RequestError, ThreadBusy
from ...protocol.objects import Object
from ...protocol.run_states import RunStatus
from ...stores.base import Kind, Record, RunRecord
from ..base import ApiRequest

_WORDS = {Kind.RUN_STEP: "run step"}


def find(request: ApiRequest, kind: Kind, id: str, *, parent: str | None = None) -> Record:
    """Return a record of the call's owner.

    Raises:
        NotFound: there is none, or it is below another parent.
    """
    try:
        return request.registration.store.get(kind, request.owner, id, parent=parent)
    except NotFound:
        raise unknown(kind, id) from None


def unknown(kind: Kind, id: str) -> NotFound:
    """Return the error that says that there is no such object."""
    return NotFound(f"No {_WORDS.get(kind) or kind.value.rpartition('.')[2]} found with id '{id}'.")


def find_run(request: ApiRequest, thread_id: str, run_id: str) -> RunRecord:
    """Return a run of a thread; where neither is there, the thread is what is missing."""
    try:
        run = find(request, Kind.RUN, run_id, parent=thread_id)
    except NotFound:
        find(request, Kind.THREAD, thread_id)
        raise
    assert isinstance(run, RunRecord)
    return run


def run_body(record: Record) -> Object:
    """Return a run as it is shown: one that was asked to end is `cancelling` until it has.

    It waits for tool outputs only while it is `requires_action`: who answers or ends it claims it first.
    """
    assert isinstance(record, RunRecord)
    pending = record.active and record.cancel_requested
    status = RunStatus.CANCELLING.value if pending else record.body["status"]
    waiting = status == RunStatus.REQUIRES_ACTION.value
    return {**record.body, "status": status, **({} if waiting else {"required_action": None})}


def check_idle(request: ApiRequest, thread_id: str) -> None:
    """Refuse to add messages while a run is active: they would not be part of what it answers.

    Raises:
        RequestError: a run is active.
    """
    if run := _active_run(request, thread_id):
        raise RequestError(f"Can't add messages to {thread_id} while a run {run.id} is active.")


def check_free(request: ApiRequest, thread_id: str) -> None:
    """Refuse a run in the way of another before anything is prepared for it; the store has the last word.

    Raises:
        RequestError: a run is active.
    """
    if run := _active_run(request, thread_id):
        raise RequestError(ThreadBusy(thread_id, run.id).message)


def _active_run(request: ApiRequest, thread_id: str) -> RunRecord | None:
    for run in request.registration.store.list(Kind.RUN, request.owner, parent=thread_id, limit=1).records:
        if isinstance(run, RunRecord) and run.active:
            return run
    return None


def check_written(request: ApiRequest, message: Record) -> None:
    """Refuse to delete what an active run has made: its events would bring it back, whoever ends the run.

    Raises:
        RequestError: the run is active.
    """
    run_id = message.body["run_id"]
    if run_id is None:
        return
    run = find(request, Kind.RUN, run_id)
    if isinstance(run, RunRecord) and run.active:
        raise RequestError(f"Can't delete message {message.id} while its run {run_id} is active.")
