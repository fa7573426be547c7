"""What the project promises about trouble, seen from outside: real servers, real signals, real connections.

`make test` runs a short form, `make test-chaos` the long one (`ASSISTANT_STREAM_CHAOS=long`): the same assertions over
more runs. `make test-chaos` prints what was
measured, as the table of docs/reliability.md.
"""
