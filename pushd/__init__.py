"""The push daemon: Apple push notifications over HTTP/2."""
