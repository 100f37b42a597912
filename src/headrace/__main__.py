"""`python -m headrace`."""

from headrace.cli import start

start()
