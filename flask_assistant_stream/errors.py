"""Every error the library raises, and whose fault it is. Knows nothing of HTTP frameworks.

AssistantStreamError
├── ConfigError            the host developer's: raised while the app starts, the fix is in the text
├── RequestError           the client's: 400, `param` names the field
│   ├── Unauthorized       401, no or a wrong credential
│   ├── Forbidden          403, a foreign Origin
│   ├── NotFound           404, unknown id or somebody else's
│   ├── Gone               410, the run's events have expired
│   └── TooLarge           413, over a byte limit
├── StoreError             the store's: 503, the outcome of a write may be unknown
│   ├── Duplicate          a record with that id stands already
│   └── ThreadBusy         the thread has an active run
├── Unavailable            the process's: 503, it takes no more for now, and nothing was begun
│   └── TooManyStreams     it has as many open streams as it may have
├── EngineError            the upstream's: becomes the run's `last_error`
├── UpstreamError          the upstream's: 502, or what it asked for, where no run has begun (files, vector stores)
├── ToolError              a tool's own words to the model: it failed, and the run goes on
└── IllegalMove            ours: a status change that no table allows
"""

from __future__ import annotations


class AssistantStreamError(Exception):
    """Base of all errors of this library.

    Attributes:
        status: the HTTP status that a route answers with.
        type: OpenAI's `error.type`.
        code: OpenAI's `error.code`, or None.
        param: the field at fault, or None.
    """

    status = 500
    type = "server_error"
    code: str | None = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code

    def body(self) -> dict[str, dict[str, str | None]]:
        """Return the JSON error body that both faces answer with (`spec/assistants.md#errors`)."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class ConfigError(AssistantStreamError):
    """The configuration is wrong; the message says how to mend it."""


class RequestError(AssistantStreamError):
    """The client sent something that cannot be done."""

    status = 400
    type = "invalid_request_error"


class Unauthorized(RequestError):
    """No owner could be found for the request."""

    status = 401
    code = "invalid_api_key"


class Forbidden(RequestError):
    """The request is known but not allowed."""

    status = 403


class NotFound(RequestError):
    """Nothing stands under that id for this owner."""

    status = 404


class Gone(RequestError):
    """It was there, and its time is over."""

    status = 410


class TooLarge(RequestError):
    """The body is over a limit in bytes."""

    status = 413


class StoreError(AssistantStreamError):
    """The store failed; whether a write landed is unknown."""

    status = 503
    code = "store_unavailable"


class Duplicate(StoreError):
    """A record with that id stands already; nothing was written."""


class ThreadBusy(StoreError):
    """The thread already has an active run; nothing was written.

    Attributes:
        run_id: the run that is active.
    """

    def __init__(self, thread_id: str, run_id: str) -> None:
        super().__init__(f"Thread {thread_id} already has an active run {run_id}.")
        self.run_id = run_id


class Unavailable(AssistantStreamError):
    """The process takes no more for now: nothing was begun."""

    status = 503
    retry_after: float = 1.0


class TooManyStreams(Unavailable):
    """The process has as many open streams as it may have."""

    code = "too_many_streams"


class EngineError(AssistantStreamError):
    """The upstream failed.

    `code` is one of a run's `last_error` codes: `server_error`, `rate_limit_exceeded`, `invalid_prompt`
    (`spec/responses.md#error-codes`). The message reaches the client: no key, no address with credentials in it.
    """

    code = "server_error"


class UpstreamError(AssistantStreamError):
    """The upstream failed a request that is no run, such as an upload. The message holds no secret of ours.

    Attributes:
        retry_after: seconds after which the upstream wants to be asked again, or None.
    """

    status = 502
    code = "upstream_error"

    def __init__(self, message: str, *, status: int = 502, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class ToolError(AssistantStreamError):
    """Raised by a tool to tell the model what is wrong; any other exception is told without its text."""


class IllegalMove(AssistantStreamError):
    """A status change that the tables of `protocol.run_states` do not allow."""
