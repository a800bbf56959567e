"""A machine that boots over the network, in software: our own client code against any server.

It speaks real packets over real sockets and judges what comes back as firmware would, so it shows
whether a server works before the first real machine is tried.
"""
