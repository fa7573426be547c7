"""The earlier messages of a run's thread, as far as its requests send them.

If the upstream refuses a request because of them, they are amended and the request is sent again: the oldest whole
turns are left out of a full context, and files and images that are gone are replaced by a remark. So no old message
makes every later run of its thread fail. The newest message of the user is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

from ..errors import ContextOverflow, EngineError, UnusableInput
from ..protocol.objects import Object
from ..stores.base import RunRecord
from ..translation.outputs import Item
from ..translation.past_messages import PastMessage, first_turn_within, last_turn
from ..translation.request import last_messages
from ..translation.trimming import tokens_beside
from .refused_inputs import RefusedInputs

MAX_SHORTENED = 6
"""How often a run leaves messages out of a response; at last everything but the newest turn."""
MAX_CLEANED = 4
"""How often a run replaces files and images in a response; at last all older ones."""
SAFE_SHARE = 0.85
"""The part of the upstream's limit that is used: tokens are estimated, and the answer needs room too."""
CUT_LINK = 40
"""Characters of a link in a refusal from which it may be the beginning of a longer one."""


class Conversation:
    """The messages of one run, oldest first.

    Args:
        learnt: what requests of this process were refused for.
        gone: returns which of these files and links are known not to exist any more.
    """

    def __init__(
        self,
        run: RunRecord,
        messages: list[PastMessage],
        learnt: RefusedInputs,
        gone: Callable[[set[str]], set[str]] = lambda _: set(),
    ) -> None:
        self._run = run
        self._model = str(run.body["model"])
        self._learnt = learnt
        self._messages = messages
        self._last = last_turn(messages)
        self._first = 0
        self._beside = 0
        self._guess, self._named = 0.0, False
        self._shortened = self._cleaned = self._replaced = 0
        self._lost: set[str] = set()
        self._reported = (0, 0)
        self._shortens = last_messages(run.body) is None  # else the client has chosen the messages
        if old := self._sources(0, self._last):
            self._replace(gone(old) | learnt.are_gone(run.owner, old))

    @property
    def attached(self) -> list[str]:
        """The ids of the files for tools in the newest messages of the user, the newest message first."""
        asking = takewhile(lambda message: message.asks, reversed(self._messages))
        return [*dict.fromkeys(id for message in asking for id in message.attached)]

    def fit(self, items: Sequence[Item]) -> Sequence[PastMessage]:
        """Return the messages of the next request.

        Args:
            items: the outputs of the run in the same request.
        """
        room = self._learnt.room(self._run.owner, self._model) if self._shortens else None
        if room is not None or self._shortened:
            self._beside = tokens_beside(self._run.body, items) + self._tokens(self._last)
        if room is not None:
            self._first = max(self._first, first_turn_within(self._messages, room - self._beside))
        return self._messages[self._first :]

    def amend(self, error: EngineError, items: Sequence[Item]) -> None:
        """Change the messages after a refusal, or raise its error if they are not the cause or nothing is left to do.

        Args:
            items: as for `fit`.
        """
        if error.code == ContextOverflow.code:
            self._shorten(error, items)
        elif isinstance(error, UnusableInput):
            self._clean(error)
        else:
            raise error

    def accepted(self) -> None:
        """Note that the upstream took the last request."""
        if self._beside:
            tokens = self._beside + self._tokens(self._first, self._last)
            if self._shortened:
                room = max(tokens, self._guess)
                self._learnt.narrow(self._run.owner, self._model, room, for_all=self._named)
            self._learnt.took(self._run.owner, self._model, tokens)
        self._learnt.lose(self._run.owner, self._lost)
        self._shortened = self._cleaned = 0

    def news(self) -> Object | None:
        """Return the data of a vendor event if the requests leave out other messages or files than it has reported."""
        left_out = (self._first, self._replaced)
        if left_out == self._reported:
            return None
        self._reported = left_out
        counts = {"messages": self._first, "of_messages": len(self._messages), "files": self._replaced}
        return {"id": self._run.parent, "object": "thread.context", "run_id": self._run.id, **counts}

    # -- a full context -----------------------------------------------------------------------------------

    def _shorten(self, error: EngineError, items: Sequence[Item]) -> None:
        """Leave out the oldest turns: as many as the upstream's limit requires if it is known, else half of them."""
        self._shortened += 1
        if not self._shortens:
            raise _with_advice(error, "Send fewer messages: `truncation_strategy` has their number.")
        if self._first >= self._last or self._shortened > MAX_SHORTENED:
            raise _with_advice(error, "The last message alone does not fit: send a shorter one.")
        self._beside = tokens_beside(self._run.body, items) + self._tokens(self._last)
        older = self._tokens(self._first, self._last)
        refused, limit = self._beside + older, getattr(error, "limit", None) or 0
        self._named = 0 < limit < refused  # else our estimate is too low for these texts
        self._guess = SAFE_SHARE * limit if self._named else refused / 2
        room = self._guess - self._beside if self._named else older / 2
        first = first_turn_within(self._messages, min(room, SAFE_SHARE * older))
        if first == self._last and not self._named:  # one long turn is more than half: it may fit alone
            first = max(last_turn(self._messages[: self._last]), self._first)
        self._first = self._last if first == self._first or self._shortened == MAX_SHORTENED else first

    def _tokens(self, first: int, last: int | None = None) -> int:
        return sum(message.tokens for message in self._messages[first:last])

    # -- files and images that are gone -------------------------------------------------------------------

    def _clean(self, error: UnusableInput) -> None:
        """Replace the refused file or image in older messages, or all of them if it is not known which."""
        self._cleaned += 1
        named = [source for source in (error.file_id, error.url) if source]
        old = self._sources(self._first, self._last)
        if _matching(named, self._sources(self._last)) or not old or self._cleaned > MAX_CLEANED:
            raise error
        gone = _matching(named, old) if self._cleaned < MAX_CLEANED else old
        self._replace(gone or old)

    def _sources(self, first: int, last: int | None = None) -> set[str]:
        return {source for message in self._messages[first:last] for source in message.sources}

    def _replace(self, gone: set[str]) -> None:
        self._lost |= gone
        for index, message in enumerate(self._messages[: self._last] if gone else ()):
            cleaned = message.without(gone)
            if cleaned is not message:
                self._messages[index] = cleaned
                self._replaced += sum(source in gone for source in message.sources)


def _with_advice(error: EngineError, advice: str) -> EngineError:
    return error.with_message(f"{error.message.rstrip('.')}. {advice}")


def _matching(named: Sequence[str], sources: set[str]) -> set[str]:
    """Return the sources that a refusal names, which may cut a long link."""
    return {
        source
        for source in sources
        if any(source == name or (len(name) >= CUT_LINK and source.startswith(name)) for name in named)
    }
