"""The push daemon: Apple push notifications over HTTP/2."""

__version__ = "0.1.0"
"""Of the distribution; the same as netbootd's."""
