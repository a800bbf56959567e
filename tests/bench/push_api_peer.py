"""What somebody would write in an hour: aiohttp that takes the same requests, into SQLite.

    python push_api_peer.py FOLDER PORT

JSON is parsed, a few keys are looked at, each request is committed before it is answered (WAL). It
knows neither logins, nor limits, nor Apple's rules.
"""

import json
import sqlite3
import ssl
import sys
import uuid
from pathlib import Path

from aiohttp import web

ADD = "INSERT INTO pushes (id, device, topic, payload) VALUES (?, ?, ?, ?)"


def row_of(push):
    device, topic = push["device"], push["topic"]
    bytes.fromhex(device)
    return str(uuid.uuid4()), device, topic, json.dumps(push["payload"])


async def take(request):
    database = request.app["database"]
    body = await request.text()
    rows = [row_of(json.loads(line)) for line in body.splitlines()]
    with database:
        database.executemany(ADD, rows)
    results = [json.dumps({"id": row[0], "status": 202}) for row in rows]
    return web.Response(status=202, text="\n".join(results))


def main():
    folder = Path(sys.argv[1])
    database = sqlite3.connect(folder / "peer.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(
        "CREATE TABLE pushes (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, device, topic, payload)"
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    app = web.Application(client_max_size=1 << 30)
    app["database"] = database
    app.router.add_post("/v1/pushes", take)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[2]),
        ssl_context=context,
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    main()
