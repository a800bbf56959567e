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

_ADDRESS_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""An IPv4 address without a sign. In SQLite it must be called INTEGER: only then is it the key of
the table's own B-tree, and saving a lease costs one tree instead of two."""

LEASES = Table(
    "leases",
    METADATA,
    Column("address", _ADDRESS_NUMBER, primary_key=True, autoincrement=False),
    Column("client", String(512), nullable=False),  # whose it is: hexadecimal digits of its key
    Column("hardware", String(47), nullable=False),  # a8:20:66:01:02:03, up to 16 bytes
    Column("state", String(8), nullable=False),  # bound, released, declined
    Column("starts", BigInteger, nullable=False),  # seconds since 1970, UTC
    Column("ends", BigInteger, nullable=False),  # likewise; 4294967295: never
    Column("host_name", String(255), nullable=False),  # as the client sends it
    Column("circuit_id", String(512), nullable=False),  # of the relay's option 82, hexadecimal
    Column("remote_id", String(512), nullable=False),  # likewise
)

LOAD_LEASES = LEASES.select().order_by(LEASES.c.address)

SAVE_LEASE = Upsert(LEASES)

FORGET_LEASE = LEASES.delete().where(LEASES.c.address == bindparam("address"))

CHOICES = Table(
    "choices",
    METADATA,
    Column("mac", String(17), primary_key=True),  # 52:54:00:77:00:10
    Column("entry", String(255), nullable=False),  # folder of the boot entry
    Column("chosen_at", BigInteger, nullable=False),  # seconds since 1970, UTC
)

LOAD_CHOICES = CHOICES.select().order_by(CHOICES.c.mac)

SAVE_CHOICE = Upsert(CHOICES)

FORGET_CHOICE = CHOICES.delete().where(CHOICES.c.mac == bindparam("mac"))
