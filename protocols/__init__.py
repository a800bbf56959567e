"""Wire formats and sans-IO state machines; pure: no sockets, clocks or files."""
