"""aioapns in the push bench: one connection, a future for each push.

    python push_client_aioapns.py FOLDER PORT STREAMS PUSHES      prints the seconds

FOLDER holds `authority.pem` and `client-both.pem`.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from pathlib import Path

from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol

MESSAGE = {"aps": {"alert": "x" * 179}}


async def run(folder: Path, port: int, streams: int, pushes: int) -> float:
    APNsProductionClientProtocol.APNS_SERVER = "localhost"
    APNsProductionClientProtocol.APNS_PORT = port
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    context.set_alpn_protocols(["h2"])
    apns = APNs(
        client_cert=str(folder / "client-both.pem"),
        topic="com.example.app",
        max_connections=1,
        ssl_context=context,
    )
    numbers = iter(range(pushes))

    async def worker() -> None:
        for number in numbers:
            result = await apns.send_notification(
                NotificationRequest(
                    device_token=f"{number:064x}",
                    message=MESSAGE,
                    notification_id=f"eabeae54-14a8-11e5-b60b-{number:012x}",
                    time_to_live=86_400,
                    priority=10,
                    push_type=PushType.ALERT,
                )
            )
            if not result.is_successful:
                sys.exit(f"{result.status} {result.description}")

    began = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(streams)))
    return time.monotonic() - began


if __name__ == "__main__":
    print(asyncio.run(run(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
