"""aioapns, ended so that nothing of it is left open."""

from __future__ import annotations

import asyncio

from aioapns import APNs


async def closed(client: APNs) -> None:
    """Close its connections, TLS's farewell included: asyncio complains of what it finds open."""
    client.pool.close()
    async with asyncio.timeout(10):
        while client.pool.connections:
            await asyncio.sleep(0.01)
