"""Streams of the Responses API that tests play: written here, of deviating servers, and recorded."""

from __future__ import annotations

from flask_assistant_stream.engines.response_items import ResponseItems, container_file_citation, url_citation
from tests.deviations import DEVIATIONS

from .material import RECORDINGS, Item, annotated, answer, asked, created, ids, message, read_sse, terminal, text

SEARCH: Item = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": [], "results": None}
FOUND = {"file_id": "file_1", "filename": "a.txt", "score": 0.7, "text": "Pizza", "attributes": {}}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
CITED = {"type": "file_citation", "file_id": "file_1", "filename": "a.txt", "index": 3}
PNG = "data:image/png;base64,iVBORw0KGgo="


def tools_of_the_upstream() -> list[Item]:
    """Return a response that uses everything the upstream runs itself, and cites what came of it."""
    mine = ResponseItems({"model": "o3"}, new_id=ids(), now=lambda: 1)
    outputs = [{"type": "logs", "logs": "2\n"}, {"type": "image", "url": PNG}]
    table = container_file_citation("cntr_1", "cfile_1", "table.csv", 0, 4)
    plot = container_file_citation("cntr_1", "cfile_2", "plot.png", 5, 8)
    cited = [table, {**CITED, "index": 4}, plot, url_citation("https://a.test", "A", 5, 10)]
    return [
        *mine.begin(),
        *mine.reasoning([["First ", "part"], ["second"]]),
        *mine.web_search("rain"),
        *mine.code_interpreter("print('😀')", outputs, ["print(", "'😀')"]),
        *mine.mcp_call("crm", "find", '{"a":1}', "found"),
        *mine.image_generation("AA=="),
        *mine.text(["Here", " it is", " 😀"], cited),
        mine.complete(),
    ]


def calls_of_all_kinds() -> list[Item]:
    """Return a response that ends with calls for this server, for the client and for the user to approve."""
    mine = ResponseItems({"model": "o3"}, new_id=ids(), now=lambda: 1)
    return [
        *mine.begin(),
        *mine.text(["Let me see"]),
        *mine.call("weather", '{"city":"Rome"}'),
        *mine.call("theirs", "{}"),
        *mine.call("pay", '{"amount":1}'),
        *mine.mcp_approval_request("crm", "delete", '{"id":7}'),
        *mine.reasoning([["Hm"]]),
        *mine.call("weather", "{"),
        mine.complete(),
    ]


SYNTHETIC: list[list[Item]] = [
    [created(), *answer("one two three", "m1"), *asked(index=1), *answer("four", "m2", 2), terminal()],
    [
        created(),
        {"type": "response.output_item.added", "output_index": 0, "item": SEARCH},
        {"type": "response.output_item.done", "output_index": 0, "item": {**SEARCH, "results": [FOUND]}},
        {"type": "response.output_item.done", "output_index": 1, "item": THOUGHT},
        text("Pizza\ud83d", "m1", 2),
        text("\ude00", "m1", 2),
        annotated(CITED, "m1", 2),
        {"type": "response.refusal.delta", "item_id": "m1", "output_index": 2, "content_index": 1, "delta": "No."},
        *answer("other", "m2", 3),
        terminal("incomplete", output=[SEARCH, message("Pizza.", "m1")]),
    ],
    [created(), *answer("one", "m1"), *asked(), created(id="resp_2"), *answer("one two", "m2"), *asked(), terminal()],
    [created(), *asked(id="a", call_id="c"), *asked("{}", "b", "c", 1), terminal(output=[message("new", "m9")])],
    tools_of_the_upstream(),
    calls_of_all_kinds(),
    [*answer("half")[:3], {"type": "error", "error": {"code": "x", "message": "y"}}, terminal("failed")],
]


DEVIANT = [[step for step in make().steps if isinstance(step, dict)] for make, _ in DEVIATIONS.values()]


STREAMS = SYNTHETIC + DEVIANT + [read_sse(path) for path in RECORDINGS]
"""The recordings are played as well where they are present."""
