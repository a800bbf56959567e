"""The two ways in which programs hand pushes to the daemon, on one TLS port.

    bytes ──▶ connection ──▶ http1 ──┐                  ┌──▶ json_face ──┐
              (TLS, ALPN)──▶ http2 ──┴─▶ site ─▶ access ┤                ├──▶ Queue
                                                        └──▶ provider ───┘

`json_face` is our own API, described by `openapi`; `provider` is Apple's, so that whatever speaks
to APNs may speak to us. `item`, `intake`, `lines`, `bearer`, `provider_key`, `route` and `openapi`
do no I/O: they turn bytes into jobs, or into the reason why not.
"""
