"""Every error of the library, and its cause. Knows nothing of HTTP frameworks.

AssistantStreamError
├── ConfigError            the configuration: raised while the app starts, with the fix
├── RequestError           the client: 400, `param` names the field
│   ├── Unauthorized       401, no or a wrong credential
│   ├── Forbidden          403, a foreign Origin
│   ├── NotFound           404, an unknown id, or one of another owner
│   ├── ReceivedTooSlowly  408, the body did not arrive in time
│   ├── Gone               410, the run's events have expired
│   ├── TooLarge           413, over a byte limit
│   └── TooManyFiles       429, too many files of the owner wait until they are read
├── StoreError             the store: 503, the outcome of a write may be unknown
│   ├── Duplicate          a record with that id exists
│   └── ThreadBusy         the thread has an active run
├── Unavailable            the process: 503, it accepts no more for now, and nothing was started
│   ├── TooManyStreams     it has its maximum of open streams
│   └── TooManySearches    so many searches of the owner wait already
├── EngineError            the upstream: becomes the run's `last_error`
│   ├── ContextOverflow    the input exceeds the model's context window
│   └── UnusableInput      a file or image of the input is gone or cannot be used
├── UpstreamError          the upstream, without a run (files, vector stores): 502, or its own status
├── ToolError              a tool: its text goes to the model, and the run continues
└── IllegalMove            the library: a status change that no table allows
"""

from __future__ import annotations

import copy


class AssistantStreamError(Exception):
    """Base of all errors of this library.

    Attributes:
        status: HTTP status of the answer.
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
        """Return the JSON body of the answer, the same on both faces (`spec/assistants.md#errors`)."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class ConfigError(AssistantStreamError):
    """The configuration is wrong; the message has the fix."""


class RequestError(AssistantStreamError):
    """The request is invalid or cannot be done."""

    status = 400
    type = "invalid_request_error"


class Unauthorized(RequestError):
    """The request has no owner."""

    status = 401
    code = "invalid_api_key"


class Forbidden(RequestError):
    """The owner may not do this."""

    status = 403


class NotFound(RequestError):
    """The owner has no object with that id."""

    status = 404


class ReceivedTooSlowly(RequestError):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"


class Gone(RequestError):
    """The object existed and has expired."""

    status = 410


class TooLarge(RequestError):
    """The body exceeds a limit in bytes."""

    status = 413


class TooManyFiles(RequestError):
    """Too many files of an owner wait until their text is read."""

    status = 429
    code = "too_many_files"


class StoreError(AssistantStreamError):
    """The store failed; a write may or may not be stored."""

    status = 503
    code = "store_unavailable"


class Duplicate(StoreError):
    """A record with that id exists; nothing was written."""


class ThreadBusy(StoreError):
    """The thread already has an active run, `run_id`; nothing was written."""

    def __init__(self, thread_id: str, run_id: str) -> None:
        super().__init__(f"Thread {thread_id} already has an active run {run_id}.")
        self.run_id = run_id


class Unavailable(AssistantStreamError):
    """The process accepts no more for now; nothing was started."""

    status = 503
    retry_after: float = 1.0


class TooManyStreams(Unavailable):
    """The process has its maximum of open streams."""

    code = "too_many_streams"


class TooManySearches(Unavailable):
    """So many searches of the owner wait for their turn already."""

    code = "too_many_searches"


class EngineError(AssistantStreamError):
    """The upstream failed.

    `code` is one of a run's `last_error` codes, `server_error`, `rate_limit_exceeded` or `invalid_prompt`, or a code of
    the Responses API that becomes one of them (`spec/responses.md#error-codes`). The message reaches the client, so it
    contains no key, no address and no name of a setting.

    Attributes:
        detail: the cause and what to check, for the operator's log: no key, and no text of a prompt. By default the
            message.
    """

    code = "server_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, detail: str = "") -> None:
        super().__init__(message, param=param, code=code)
        self.detail = detail or message

    def with_message(self, message: str, detail: str | None = None) -> EngineError:
        """Return the same error with another message, and the same detail unless there is another one."""
        same = copy.copy(self)
        same.message, same.detail = message, self.detail if detail is None else detail
        same.args = (message,)
        return same


class ContextOverflow(EngineError):
    """The input exceeds the model's context window; a shorter one may fit.

    Attributes:
        limit: the size of the window in tokens, or None if the upstream does not say.
    """

    code = "context_length_exceeded"

    def __init__(self, message: str, *, limit: int | None = None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.limit = limit


class UnusableInput(EngineError):
    """The upstream cannot use a file or image of the input: deleted, expired, not downloadable or damaged.

    Attributes:
        file_id: the file, as the request names it, or None.
        url: the image or file, as the request names it, or None. Both are None if the upstream names neither.
    """

    code = "unusable_input"

    def __init__(self, message: str, *, file_id: str | None = None, url: str | None = None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.file_id = file_id
        self.url = url


class UpstreamError(AssistantStreamError):
    """The upstream failed a request outside of runs, such as an upload. The message contains no secret.

    Attributes:
        retry_after: seconds until the next attempt, as the upstream requests, or None.
    """

    status = 502
    code = "upstream_error"

    def __init__(self, message: str, *, status: int = 502, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class ToolError(AssistantStreamError):
    """Raised by a tool; its text goes to the model, unlike that of any other exception."""


class IllegalMove(AssistantStreamError):
    """A status change that the tables of `protocol.run_states` do not allow."""
