"""The HTTP(S) server from which machines read their images.

    bytes ──▶ Conversation ──▶ Response ──▶ plain (TCP, sendfile)
                 │   │                  └──▶ secure (TLS)
       request ──┘   └── response ◀── files

`request`, `target`, `byterange`, `precondition`, `response` and `conversation` do no I/O on
sockets: they turn a client's bytes into responses, which say which bytes of which open file to
send. The two shells send them. Files come from `images.paths` by way of the `open_file` that the
services are given; there is no other way to a file.
"""
