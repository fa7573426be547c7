"""Options of the translator."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TranslatorOptions:
    """Options of a run's translator, equal on every worker that translates the run.

    Attributes:
        citations: show citations, as marker and annotation.
        reasoning_summaries: send summaries of the model's reasoning, as vendor events.
        max_rounds: the most responses of one run; 0 for any number.
        lenient_end: a response that ends without a terminal item, all its outputs ended, counts as completed.
        ignored: request fields that the upstream may ignore: its answers are checked against the run's.
        server_tools: names of functions that this server executes → whether the user approves each call first.
    """

    citations: bool = True
    reasoning_summaries: bool = False
    max_rounds: int = 0
    lenient_end: bool = False
    ignored: Collection[str] = ()
    server_tools: Mapping[str, bool] = field(default_factory=dict)
