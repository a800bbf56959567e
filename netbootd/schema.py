"""netbootd's tables and statements, in SQLAlchemy Core.

This is the definition; the daemon executes the texts that `ops.statement` compiles from it into
`netbootd/statement.py`. Columns hold what every database returns unchanged (numbers and texts).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)

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

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""Such as an IPv4 address without a sign. In SQLite it must be called INTEGER: only then is it the
key of the table's own B-tree, and saving a lease costs one tree instead of two."""

_START: ColumnElement[int] = literal_column("0")
"""Said, because SQLite's dialect says it where nobody does, and PostgreSQL's does not."""

LEASES = Table(
    "leases",
    METADATA,
    Column("address", _NUMBER, primary_key=True, autoincrement=False),
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

BOOTS = Table(
    "boots",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),  # counts up, never reused
    Column("machine", String(255), nullable=False),  # a8:20:66:01:02:03, or an IPv4 address
    Column("address", String(15), nullable=False),  # IPv4, dotted; the last one
    Column("client", String(16), nullable=False),  # Mac, PXE, HTTP boot, iPXE; or empty
    Column("architecture", String(255), nullable=False),
    Column("model", String(255), nullable=False),
    Column("image", String(255), nullable=False),  # name of an image, title of a boot entry
    Column("began", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("ended", BigInteger, nullable=False),  # likewise: when it was last heard of
    Column("outcome", String(16), nullable=False),  # booted, stopped, failed, interrupted
    Column("why", String(500), nullable=False),
    Column("bytes", BigInteger, nullable=False),  # sent to it
    Column("stages", Text, nullable=False),  # JSON: see netbootd.history
)

Index("ix_boots_machine", BOOTS.c.machine, BOOTS.c.number)

SAVE_BOOT = Upsert(BOOTS)

LAST_BOOT = select(func.max(BOOTS.c.number))

NEWEST_BOOTS = (
    BOOTS.select().order_by(BOOTS.c.number.desc()).limit(bindparam("most")).offset(_START)
)

BOOTS_OF = (
    BOOTS.select()
    .where(BOOTS.c.machine == bindparam("machine"))
    .order_by(BOOTS.c.number.desc())
    .limit(bindparam("most"))
    .offset(_START)
)

LAST_BOOTS = (
    BOOTS.select()
    .where(BOOTS.c.number.in_(select(func.max(BOOTS.c.number)).group_by(BOOTS.c.machine)))
    .order_by(BOOTS.c.number)
)
"""Of each machine the last one."""

COUNT_BOOTS = (
    select(BOOTS.c.machine, func.count().label("boots"))
    .group_by(BOOTS.c.machine)
    .order_by(BOOTS.c.machine)
)

FORGET_BOOTS_UP_TO = BOOTS.delete().where(BOOTS.c.number <= bindparam("number"))

FORGET_BOOTS_BEFORE = BOOTS.delete().where(BOOTS.c.ended < bindparam("ended"))

RESERVATIONS = Table(
    "reservations",
    METADATA,
    Column("mac", String(17), primary_key=True),  # a8:20:66:01:02:03
    Column("address", String(15), nullable=False),  # IPv4, dotted
    Column("name", String(63), nullable=False),  # host name
    Column("reserved_at", BigInteger, nullable=False),  # seconds since 1970, UTC
)

LOAD_RESERVATIONS = RESERVATIONS.select().order_by(RESERVATIONS.c.mac)

SAVE_RESERVATION = Upsert(RESERVATIONS)

FORGET_RESERVATION = RESERVATIONS.delete().where(RESERVATIONS.c.mac == bindparam("mac"))
