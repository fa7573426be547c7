"""A store against a model that copies the history of a thread for each of its lines."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from ..stores.base import Kind, Order, Store
from ..stores.lines import Fork, active_line, fork_at, spans_of
from .store_material import ANN, StoreFixtures, a_message, a_start, a_thread, end, ids_of

STEPS = 30


@dataclass
class Model:
    """The ids of the messages of each line, in order; a fork copies them.

    Attributes:
        runs: the ids of all runs, in order.
        marks: what the metadata of a message was last set to, by id.
    """

    lines: dict[int, list[str]] = field(default_factory=lambda: {0: []})
    active: int = 0
    runs: list[str] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def history(self) -> list[str]:
        """The ids of the active line."""
        return self.lines[self.active]

    @property
    def messages(self) -> list[str]:
        """The ids of all messages, each once."""
        return [*dict.fromkeys(id for line in self.lines.values() for id in line)]


class Walk:
    """Makes random changes of one thread, each through one of several stores and on the model."""

    def __init__(self, stores: Sequence[Store], thread_id: str, seed: int) -> None:
        self.chosen = random.Random(seed)
        self.thread_id = thread_id
        self.model = Model()
        self._stores = stores

    @property
    def store(self) -> Store:
        """One of the stores."""
        return self.chosen.choice(self._stores)

    def step(self) -> str:
        """Make a change and return its name."""
        steps: list[Callable[[], None]] = [self.say, self.turn, self.fork, self.mark, self.delete, self.switch]
        step = self.chosen.choices(steps, [2, 3, 4, 1, 1, 2])[0]
        step()
        return step.__name__

    def say(self) -> None:
        """Add a message."""
        message = self.store.insert(a_message(self.store.get_thread(ANN, self.thread_id)))
        self.model.history.append(message.id)

    def turn(self, fork: Fork | None = None, copied: Sequence[str] = ()) -> None:
        """Make a run, on the active line or on a new one that shares messages."""
        texts = ["question"] * self.chosen.randint(0, 2)
        start = a_start(self.store.get_thread(ANN, self.thread_id), *texts, fork=fork)
        run = self.store.start(start)
        if fork is not None:
            assert run.line not in self.model.lines
            self.model.lines[run.line] = [*copied]
            self.model.active = run.line
        assert run.line == self.model.active
        answers = end(self.store, run, *["answer"] * self.chosen.randint(0, 2))
        self.model.history.extend(ids_of([*start.messages, *answers]))
        self.model.runs.append(run.id)

    def fork(self) -> None:
        """Fork in front of a message of any line, or behind its last one."""
        line, messages = self.chosen.choice([*self.model.lines.items()])
        index = self.chosen.randint(0, len(messages))
        thread = self.store.get_thread(ANN, self.thread_id)
        if index < len(messages):
            position = self.store.get(Kind.MESSAGE, ANN, messages[index]).position
        else:
            position = self.store.get(Kind.MESSAGE, ANN, messages[-1]).position + 1 if messages else 0
        self.turn(fork_at(thread.lines, line, position), messages[:index])

    def mark(self) -> None:
        """Edit the metadata of a message of any line."""
        for id in self.chosen.sample(self.model.messages, min(1, len(self.model.messages))):
            self.model.marks[id] = str(self.chosen.random())
            self.store.update(Kind.MESSAGE, ANN, id, body={"metadata": {"mark": self.model.marks[id]}})

    def delete(self) -> None:
        """Delete a message of any line."""
        for id in self.chosen.sample(self.model.messages, min(1, len(self.model.messages))):
            self.store.delete(Kind.MESSAGE, ANN, id, parent=self.thread_id)
            for line in self.model.lines.values():
                if id in line:
                    line.remove(id)

    def switch(self) -> None:
        """Make some line the active one."""
        self.model.active = self.chosen.choice([*self.model.lines])
        self.store.switch(ANN, self.thread_id, self.model.active)


def paged(store: Store, thread_id: str, line: int, order: Order, limit: int) -> list[str]:
    """Return the ids of a line, read page by page."""
    spans = spans_of(store.get_thread(ANN, thread_id).lines, line)
    ids: list[str] = []
    more = True
    while more:
        after = ids[-1] if ids else None
        page = store.list(Kind.MESSAGE, ANN, parent=thread_id, order=order, limit=limit, after=after, spans=spans)
        ids += ids_of(page.records)
        more = page.has_more
    return ids


class ModelSuite(StoreFixtures):
    """Random forks, edits, deletions and switches."""

    @pytest.mark.parametrize("seed", range(3))
    def test_the_active_line_is_that_of_a_model(self, store: Store, other: Store, seed: int) -> None:
        thread = store.insert(a_thread())
        walk = Walk((store, other), thread.id, seed)
        model = walk.model
        for number in range(STEPS):
            revision = store.get_thread(ANN, thread.id).revision
            name = walk.step()
            where = f"seed {seed}, step {number}: {name}"
            page = walk.store.list(Kind.MESSAGE, ANN, parent=thread.id, order="asc", limit=1000)
            assert ids_of(page.records) == model.history, where
            after = walk.store.get_thread(ANN, thread.id)
            assert active_line(after.lines) == model.active, where
            assert after.revision >= revision, where
        for line, expected in model.lines.items():
            for order, wanted in (("asc", expected), ("desc", expected[::-1])):
                assert paged(other, thread.id, line, order, walk.chosen.randint(1, 5)) == wanted  # type: ignore[arg-type]
        stored = store.of_owner(ANN, Kind.MESSAGE, limit=1000).records
        assert sorted(ids_of(stored)) == sorted(model.messages)
        marks = {message.id: message.body["metadata"].get("mark") for message in stored}
        assert marks == {id: model.marks.get(id) for id in model.messages}
        runs = store.list(Kind.RUN, ANN, parent=thread.id, order="asc", limit=1000)
        assert ids_of(runs.records) == model.runs
