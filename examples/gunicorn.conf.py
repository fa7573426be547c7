"""Copy this file beside your app and start `gunicorn 'app:create_app()'` there; gunicorn finds it by its name."""

# Runs end before their worker: shortly before `graceful_timeout` they are interrupted, their text so far is stored, and
# their readers see the end. Without this line such a run stays open until its lease ends (ASSISTANT_LEASE_SECONDS).
from flask_assistant_stream.gunicorn_hooks import post_worker_init, worker_abort, worker_exit, worker_int  # noqa: F401

# For a reverse proxy on the same host; `--bind` on the command line overrides it.
bind = "127.0.0.1:8000"

# An open stream is a greenlet of some tens of kilobytes, not a thread.
worker_class = "gevent"

# One per core. Every worker, on any host, serves all threads and runs of the store.
workers = 4

# Connections per worker; one more is accepted and hangs. Keep it above ASSISTANT_MAX_STREAMS, with room for short
# requests.
worker_connections = 2000

# Seconds for runs to end after a stop or a reload; the last 1.5 are for the interruption. The time-out of systemd,
# Docker, Kubernetes or Heroku must be longer.
graceful_timeout = 30

# Seconds without a heartbeat of a worker's loop until gunicorn kills it. It does not limit streams. Above
# `graceful_timeout`, as a worker that waits for its last runs sends no heartbeat.
timeout = 60

# Seconds that a connection stays open for the next request. Small, as each is one of `worker_connections`. If a proxy
# keeps its connections (nginx: `keepalive` in an upstream block), above the proxy's own time.
keepalive = 5
