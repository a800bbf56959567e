"""BSDP on its UDP port: the responder, what it tells the timeline, the service that owns it."""
