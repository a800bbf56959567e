"""netbootd's tables and statements, in SQLAlchemy Core.

This is the definition; the daemon executes the texts that `ops.statement` compiles from it into
`netbootd/statement.py`. Columns hold what every database returns unchanged (numbers and texts).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, bindparam

from ops.statement import Upsert

MIGRATIONS = "netbootd.migrations"
METADATA = MetaData()

MACHINES = Table(
    "machines",
    METADATA,
    Column("mac", String(17), primary_key=True),  # a8:20:66:01:02:03
    Column("number", Integer, nullable=False),
    Column("machine_name", String(255), nullable=False),  # NetBoot001, kept while it is bound
    Column("image_id", BigInteger, nullable=False),  # 32 bits without a sign
    Column("architecture", String(255), nullable=False),  # part of option 60, so 255 bytes at most
    Column("system_id", String(255), nullable=False),
    Column("address", String(15), nullable=False),  # IPv4, dotted
    Column("selected_at", BigInteger, nullable=False),  # seconds since 1970, UTC
)

LOAD_MACHINES = MACHINES.select().order_by(MACHINES.c.mac)

SAVE_MACHINE = Upsert(MACHINES)

FORGET_MACHINE = MACHINES.delete().where(MACHINES.c.mac == bindparam("mac"))
