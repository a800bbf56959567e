"""The boot daemon: answers BSDP, serves TFTP and HTTP, and keeps each machine's boot timeline."""

__version__ = "0.1.0"
