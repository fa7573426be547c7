"""Texts of files, read in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from flask_assistant_stream.errors import RequestError
from flask_assistant_stream.extraction.extractor import TextExtractor
from flask_assistant_stream.extraction.processes import Limits, ProcessEnded, environment
from tests.files.hostile import open_paragraphs_html, repeated_form_pdf, shared_stream_pdf, unnamed_part_docx
from tests.files.material import a_pdf
from tests.waiting import soon

MEMORY = 256 << 20


def children() -> set[int]:
    """Return the processes that this one has started and that read files."""
    pids = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    started = {int(pid) for line in pids for pid in line.read_text().split()}
    return {pid for pid in started if b"extraction.child" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def gone(pid: int) -> bool:
    """Return whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def extractor() -> Iterator[TextExtractor]:
    extractor = TextExtractor(1, Limits(seconds=20, memory_bytes=MEMORY))
    yield extractor
    extractor.stop()


@pytest.fixture
def hasty() -> Iterator[TextExtractor]:
    extractor = TextExtractor(1, Limits(seconds=0.5))
    yield extractor
    extractor.stop()


@pytest.mark.parametrize("processes", [0, 1])
def test_a_text_and_its_passages(processes: int) -> None:
    extractor = TextExtractor(processes)
    text = "One sentence – ünd another.\n" * 100
    data = text.encode()
    pieces = [data[:700], b"", data[700:]]
    assert extractor.text("ann", "a.txt", pieces, 1_000_000).text == text
    assert extractor.text("ann", "a.txt", pieces, 50).text == text[:50]
    passages = extractor.passages("ann", "a.txt", pieces).texts
    assert len(passages) > 3
    assert " ".join(passages).split() == text.split()
    assert "Blue whales" in extractor.text("ann", "a.pdf", [a_pdf("Blue whales are large.")], 1000).text
    extractor.stop()


@pytest.mark.parametrize("processes", [0, 1])
def test_a_file_without_text_is_rejected_with_the_reason(processes: int) -> None:
    extractor = TextExtractor(processes)
    for name, data, code in (("a.exe", b"MZ", "unsupported_file"), ("a.pdf", b"no pdf", "invalid_file")):
        with pytest.raises(RequestError) as raised:
            extractor.passages("ann", name, [data])
        assert raised.value.code == code
    assert extractor.text("ann", "a.txt", [b"still there"], 100).text == "still there"
    extractor.stop()


def test_a_process_starts_with_the_first_file_and_serves_the_next_ones(extractor: TextExtractor) -> None:
    before = children()
    extractor.look()
    assert children() == before
    for _ in range(3):
        extractor.text("ann", "a.txt", [b"text"], 100)
    (process,) = children() - before
    extractor.look()
    assert not gone(process)
    extractor.stop()
    assert gone(process)


@pytest.mark.parametrize("hostile", [shared_stream_pdf, repeated_form_pdf])
def test_a_file_that_takes_too_long_ends_its_process_and_the_next_one_is_read(
    hasty: TextExtractor, hostile: object
) -> None:
    assert callable(hostile)
    before = children()
    with pytest.raises(RequestError, match=r"takes longer than 0\.5 seconds") as raised:
        hasty.passages("ann", "a.pdf", [hostile()])
    assert raised.value.code == "invalid_file"
    assert children() == before
    assert hasty.text("ann", "a.txt", [b"text"], 100).text == "text"


@pytest.mark.parametrize(
    ("name", "hostile"), [("a.html", open_paragraphs_html), ("a.docx", unnamed_part_docx)], ids=["html", "docx"]
)
def test_a_file_gets_no_more_memory_than_allowed(extractor: TextExtractor, name: str, hostile: object) -> None:
    assert callable(hostile)
    most, over, before = [0], threading.Event(), children()

    def watch() -> None:
        while not over.wait(0.01):
            for pid in children() - before:
                most.append(_resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with suppress(RequestError):  # a reader may need less
        extractor.passages("ann", name, [hostile()])
    over.set()
    watcher.join()
    assert 0 < max(most) <= MEMORY
    assert extractor.text("ann", "a.txt", [b"text"], 100).text == "text"


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS")), 0)


def test_a_process_that_is_killed_says_nothing_about_the_file(extractor: TextExtractor) -> None:
    before = children()

    def content() -> Iterator[bytes]:
        yield b"text"
        (process,) = children() - before
        os.kill(process, signal.SIGKILL)
        soon(lambda: gone(process))

    with pytest.raises(ProcessEnded, match="signal 9"):
        extractor.text("ann", "a.txt", content(), 100)
    assert extractor.text("ann", "a.txt", [b"text"], 100).text == "text"


def test_content_that_cannot_be_read_ends_the_process_not_the_extractor(extractor: TextExtractor) -> None:
    def content() -> Iterator[bytes]:
        yield b"text"
        raise OSError("the store is away")

    with pytest.raises(OSError, match="the store is away"):
        extractor.text("ann", "a.txt", content(), 100)
    assert extractor.text("ann", "a.txt", [b"text"], 100).text == "text"


def test_a_process_receives_no_secret() -> None:
    environ = {"PATH": "/bin", "LANG": "C.UTF-8", "OPENAI_API_KEY": "sk-1", "ASSISTANT_API_KEYS": "k=o", "DB_URL": "x"}
    given = environment(environ, ["", "/libs"])
    assert given == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{os.getcwd()}{os.pathsep}/libs",
        "PYTHONSAFEPATH": "1",
    }


PARENT = """
    import sys
    {patch}
    sys.path.insert(0, {root!r})
    from flask_assistant_stream.extraction.extractor import TextExtractor
    from tests.files.hostile import repeated_form_pdf

    TextExtractor().passages("ann", "a.pdf", [repeated_form_pdf()])
"""


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all()"], ids=["threads", "gevent"])
def test_a_process_ends_with_its_worker_even_if_that_is_killed(patch: str) -> None:
    root = Path(__file__).resolve().parents[2]
    code = textwrap.dedent(PARENT).format(patch=patch, root=str(root))
    worker = subprocess.Popen([sys.executable, "-c", code])
    try:
        listed = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        soon(lambda: b"extraction.child" in b"".join(_commands(listed)))
        (process,) = [int(pid) for pid in listed.read_text().split()]
        soon(lambda: _resident(process) > 40 << 20)  # it has begun to read
        time.sleep(0.2)
        assert not gone(process)
    finally:
        worker.kill()
        worker.wait()
    soon(lambda: gone(process), 5)


def _commands(listed: Path) -> list[bytes]:
    try:
        return [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in listed.read_text().split()]
    except OSError:
        return []


def test_a_host_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "host.py"
    script.write_text(
        "print('the script runs', flush=True)\n"
        "from flask_assistant_stream.extraction.extractor import TextExtractor\n"
        "extractor = TextExtractor()\n"
        "print(extractor.text('ann', 'a.txt', [b'text'], 100).text)\n"
        "extractor.stop()\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=root, timeout=60, check=True)
    assert done.stdout == "the script runs\ntext\n"
