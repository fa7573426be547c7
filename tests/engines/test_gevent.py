"""Under gevent's patching the same engine is cooperative: streams interleave, and another greenlet can close them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.engines.hose import endless, hose
from tests.fake_upstream import FakeUpstream, UpstreamProcess

PRELUDE = """
    from gevent import monkey
    monkey.patch_all()
    import sys, threading, time
    from flask_assistant_stream.engines.openai import OpenAIEngine
    from flask_assistant_stream.upstream import Upstream
    from flask_assistant_stream.engines.offline import OfflineEngine
    engine = OpenAIEngine(Upstream("sk-test", sys.argv[1]), retries=0)

    def script(line):
        return {"model": "m", "input": f"@@script:{line}@@", "stream": True}
"""


def run(code: str, url: str) -> None:
    """Run code in a patched process; it fails by itself."""
    source = textwrap.dedent(PRELUDE) + textwrap.dedent(code)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", source, url]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stderr) == (0, "")


CLOSING = """
    for line in ("stall", "stall_head", "text?delay=3"):
        stream = engine.stream(script(line))
        ended = []
        def read():
            list(stream)
            ended.append(time.monotonic())
        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.3)
        assert not ended
        closed = time.monotonic()
        stream.close()
        stream.close()
        reader.join(5)
        assert ended and ended[0] - closed < 0.5, (line, ended)
"""


def test_another_greenlet_closes(upstream_process: UpstreamProcess) -> None:
    run(CLOSING, upstream_process.base_url)


def test_another_greenlet_closes_tls(tls_upstream: FakeUpstream) -> None:
    run(CLOSING, tls_upstream.base_url)


def test_fifty_streams_interleave(upstream_process: UpstreamProcess) -> None:
    run(
        """
        order, texts, gaps = [], {}, []
        def read(number):
            stream = engine.stream(script("text?n=20&delay=0.02"))
            for items in stream:
                order.append(number)
                texts[number] = texts.get(number, "") + "".join(i.get("delta", "") for i in items)
            stream.close()
        def tick():
            last = time.monotonic()
            while len(finished) < 50:
                time.sleep(0.005)
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        finished = []
        readers = [threading.Thread(target=lambda n=n: (read(n), finished.append(n))) for n in range(50)]
        ticker = threading.Thread(target=tick)
        for thread in (*readers, ticker):
            thread.start()
        for thread in (*readers, ticker):
            thread.join(40)
        assert set(texts.values()) == {"".join(f" w{i}" for i in range(20))} and len(texts) == 50, texts
        switches = sum(a != b for a, b in zip(order, order[1:]))
        assert switches > len(order) / 2, (switches, len(order))
        engine.close()
        """,
        upstream_process.base_url,
    )


def test_a_fast_stream_lets_others_have_their_turn(upstream_process: UpstreamProcess) -> None:
    run(
        """
        ticks, done = [], []
        def tick():
            while not done:
                ticks.append(time.monotonic())
                time.sleep(0.001)
        ticker = threading.Thread(target=tick)
        ticker.start()
        stream = engine.stream(script("text?n=20000&framing=length"))
        for items in stream:
            pass
        stream.close()
        done.append(1)
        ticker.join()
        engine.close()
        longest = max(b - a for a, b in zip(ticks, ticks[1:]))
        assert len(ticks) > 5 and longest < 1.0, (len(ticks), longest)
        """,
        upstream_process.base_url,
    )


def test_the_offline_engine_walks_beside_others(upstream_process: UpstreamProcess) -> None:
    run(
        """
        begun = time.monotonic()
        def read():
            list(OfflineEngine(0.005).stream({"input": "hello"}))
        readers = [threading.Thread(target=read) for _ in range(20)]
        for reader in readers: reader.start()
        for reader in readers: reader.join()
        assert time.monotonic() - begun < 3
        """,
        upstream_process.base_url,
    )


def test_an_engine_made_before_patching_streams_after_it(upstream_process: UpstreamProcess) -> None:
    """As with gunicorn's `--preload`."""
    source = """
    import sys
    from flask_assistant_stream.engines.openai import OpenAIEngine
    from flask_assistant_stream.upstream import Upstream
    engine = OpenAIEngine(Upstream("sk-test", sys.argv[1]), retries=0)
    from gevent import monkey
    monkey.patch_all()
    import threading
    ended = []
    stream = engine.stream({"model": "m", "input": "@@script:stall@@", "stream": True})
    reader = threading.Thread(target=lambda: (list(stream), ended.append(1)))
    reader.start()
    reader.join(0.3)
    assert not ended
    stream.close()
    reader.join(5)
    assert ended
    """
    command = [sys.executable, "-c", textwrap.dedent(source), upstream_process.base_url]
    subprocess.run(command, timeout=30, check=True)


FLOODED = """
    gaps, ended, last = [], [], time.monotonic()
    def tick():
        global last
        while not ended:
            time.sleep(0.01)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()
    def read():
        try:
            for items in engine.stream(script("text")):
                pass
        except Exception as error:
            ended.append(error.message)
        else:
            ended.append("")
    threading.Thread(target=tick).start()
    reader = threading.Thread(target=read)
    reader.start()
    reader.join(30)
    assert "more than" in ended[0], ended
    assert max(gaps, default=0) < 1, max(gaps)
"""


@pytest.mark.parametrize("name", ["header line", "event", "line feeds in an event"])
def test_a_flood_does_not_stop_other_greenlets(name: str) -> None:
    with hose(endless(name)) as port:
        run(FLOODED, f"http://127.0.0.1:{port}/v1")
