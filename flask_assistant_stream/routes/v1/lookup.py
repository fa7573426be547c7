"""Records by id, with the Assistants API's error texts (`spec/assistants.md#errors`)."""

from __future__ import annotations

from ...errors import NotFound, RequestError, ThreadBusy
from ...protocol.objects import Object
from ...protocol.run_states import RunStatus
from ...runs.stored_runs import active_run
from ...stores.base import Kind, Record, RunRecord
from ..base import ApiRequest

_WORDS = {Kind.RUN_STEP: "run step"}


def find(request: ApiRequest, kind: Kind, id: str, *, parent: str | None = None) -> Record:
    """Return a record of the request's owner; NotFound if there is none below that parent."""
    record = request.registration.store.find(kind, request.owner, id, parent=parent)
    if record is None:
        raise unknown(kind, id)
    return record


def unknown(kind: Kind, id: str) -> NotFound:
    """Return the error for an unknown id."""
    return NotFound(f"No {_WORDS.get(kind) or kind.value.rpartition('.')[2]} found with id '{id}'.")


def find_run(request: ApiRequest, thread_id: str, run_id: str) -> RunRecord:
    """Return a run of a thread; if both are unknown, the error names the thread."""
    try:
        run = find(request, Kind.RUN, run_id, parent=thread_id)
    except NotFound:
        find(request, Kind.THREAD, thread_id)
        raise
    assert isinstance(run, RunRecord)
    return run


def patch_metadata(request: ApiRequest, record: Record) -> Record:
    """Replace the metadata of a message or a run, if the body has any."""
    if "metadata" not in request.body:
        return record
    metadata = {"metadata": request.body["metadata"] or {}}
    return request.registration.store.update(record.kind, request.owner, record.id, parent=record.parent, body=metadata)


def run_body(record: Record) -> Object:
    """Return a run as clients see it: `cancelling` between a cancel and the end of the run.

    A `required_action` is shown only with the status `requires_action`: a stored one may be answered already.
    """
    assert isinstance(record, RunRecord)
    pending = record.active and record.cancel_requested
    status = RunStatus.CANCELLING.value if pending else record.body["status"]
    waiting = status == RunStatus.REQUIRES_ACTION.value
    return {**record.body, "status": status, **({} if waiting else {"required_action": None})}


def check_idle(request: ApiRequest, thread_id: str) -> None:
    """Raise RequestError for a message on a thread with an active run, which would not read it."""
    if run := active_run(request.registration.store, request.owner, thread_id):
        raise RequestError(f"Can't add messages to {thread_id} while a run {run.id} is active.")


def check_free(request: ApiRequest, thread_id: str) -> None:
    """Raise RequestError for a run on a busy thread before anything is prepared for it; the store checks again."""
    if run := active_run(request.registration.store, request.owner, thread_id):
        raise RequestError(ThreadBusy(thread_id, run.id).message)


def check_written(request: ApiRequest, message: Record) -> None:
    """Raise RequestError if a message's run is active: the events of the run would store a deleted message again."""
    run_id = message.body["run_id"]
    if run_id is None:
        return
    run = find(request, Kind.RUN, run_id)
    if isinstance(run, RunRecord) and run.active:
        raise RequestError(f"Can't delete message {message.id} while its run {run_id} is active.")
