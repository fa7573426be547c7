"""Copy this beside your app and start `gunicorn 'app:create_app()'` there; gunicorn reads it by its name."""

# Runs end before their worker does: they get until shortly before `graceful_timeout`, then they are marked as
# interrupted, with what they have said so far, and their readers are told. Without these lines a run that is cut off
# stays open until its lease is over (ASSISTANT_LEASE_SECONDS).
from flask_assistant_stream.gunicorn_hooks import post_worker_init, worker_abort, worker_exit, worker_int  # noqa: F401

# A reverse proxy is in front. A test or a container may say otherwise: `--bind` on the command line wins.
bind = "127.0.0.1:8000"

# An open stream is then a greenlet of some tens of kilobytes, not a thread.
worker_class = "gevent"

# One per core: a worker uses one. All of them, on any host, serve all threads and runs of their store.
workers = 4

# Connections of one worker; one more is accepted and then hangs. So it must be above the streams that a worker admits
# (ASSISTANT_MAX_STREAMS), by what short requests need beside them.
worker_connections = 2000

# Seconds that runs have to end in after a stop or a reload, the last 1.5 of them for the interruption. What kills the
# server when it takes too long (systemd, Docker, Kubernetes, Heroku) must wait for longer than this.
graceful_timeout = 30

# Seconds without a sign of life from a worker's loop, after which it is killed. It does not limit streams. Above
# `graceful_timeout`, because a worker that waits for its last runs gives no sign any more.
timeout = 60

# Seconds that a connection stays open for a next request. Small, because each is one of `worker_connections`. Where a
# proxy keeps its connections (nginx: `keepalive` in an upstream block), above the proxy's own time, so that it never
# sends into one that is being closed.
keepalive = 5
