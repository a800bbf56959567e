"""pushd's tables and statements, in SQLAlchemy Core.

    lanes ◀── pushes ──settled, one commit──▶ results, invalid_tokens ──retention──▶ gone
                └── attempts, where one failed

This is the definition; the daemon executes the texts that `ops.statement` compiles from it into
`pushd/statement.py`. Inserts, and statements with `IN (:name)`, are executed for many rows at once
(see `ops.unit`): their parameters come in the order of the columns.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Delete,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    exists,
    func,
    literal_column,
    select,
)

from ops.statement import InsertNew, Upsert
from pushd.place import SEQ_BITS

MIGRATIONS = "pushd.migrations"
METADATA = MetaData()

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""In SQLite a key must be called INTEGER to be the key of the table's own B-tree; it has 64 bits
all the same."""

_ONE: ColumnElement[int] = literal_column("1")
_START: ColumnElement[int] = literal_column("0")
"""Said, because SQLite's dialect says it where nobody does, and PostgreSQL's does not."""

LANES = Table(
    "lanes",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("credential", String(100), nullable=False),
    Column("topic", String(300), nullable=False),
)

LOAD_LANES = LANES.select().order_by(LANES.c.number)

SAVE_LANE = InsertNew(LANES, LANES.c.number)

FORGET_LANE = LANES.delete().where(LANES.c.number.in_([bindparam("number")]))

PUSHES = Table(
    "pushes",
    METADATA,
    Column("place", _NUMBER, primary_key=True, autoincrement=False),  # see pushd.place
    Column("id", String(36), nullable=False),  # apns-id
    Column("push_type", String(16), nullable=False),  # as in apns-push-type, or broadcast
    Column("device", String(400), nullable=False),  # token, hexadecimal; a broadcast's channel
    Column("payload", LargeBinary, nullable=False),
    Column("expiration", BigInteger),  # as submitted: seconds since 1970, or 0
    Column("priority", Integer),  # as submitted
    Column("collapse_id", String(64)),
    Column("submitted_at", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("deadline", BigInteger, nullable=False),  # seconds since 1970, UTC
    Column("collapse", BigInteger),  # see pushd.record.collapse_of; only where pushes collapse
)

Index("ix_pushes_id", PUSHES.c.id, unique=True)

_COLLAPSES = PUSHES.c.collapse.is_not(None)

Index(
    "ix_pushes_to_collapse",
    PUSHES.c.collapse,
    sqlite_where=_COLLAPSES,
    postgresql_where=_COLLAPSES,
)
"""Partial: a push that does not collapse costs it nothing."""

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("place", _NUMBER, primary_key=True, autoincrement=False),  # of a push that waits
    Column("attempts", Text, nullable=False),  # JSON, see pushd.attempt
)

RESULTS = Table(
    "results",
    METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),  # counts up, never reused
    Column("id", String(36), nullable=False),  # apns-id
    Column("outcome", String(10), nullable=False),  # accepted, rejected, failed, expired, …
    Column("status", Integer),  # HTTP's, if rejected
    Column("reason", String(100)),  # Apple's, if rejected
    Column("invalid_since", BigInteger),  # likewise: milliseconds since 1970, UTC
    Column("apns_id", String(36)),  # where Apple's echo differs from ours
    Column("detail", String(500)),  # apns-unique-id, why it failed, or into what it collapsed
    Column("submitted_at", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("settled_at", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("lane", Integer),  # its number; not known of those that are older than this column
    Column("attempts", Text),  # JSON, see pushd.attempt; where one failed
    Column("device", String(400)),  # as of a push; where Apple did not just accept it
)

Index("ix_results_id", RESULTS.c.id, unique=True)

INVALID_TOKENS = Table(
    "invalid_tokens",
    METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),  # counts up, never reused
    Column("token", String(400), nullable=False),  # hexadecimal
    Column("topic", String(300), nullable=False),
    Column("reason", String(100)),  # Apple's
    Column("since", BigInteger),  # milliseconds since 1970, UTC, if Apple said
    Column("sent_at", BigInteger, nullable=False),  # of the push: milliseconds since 1970, UTC
    Column("settled_at", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("credential", String(100)),  # not known of those that are older than this column
)

COUNT_PUSHES = (
    select(
        (PUSHES.c.place.op("/")(literal_column(str(1 << SEQ_BITS)))).label("level"),
        func.count().label("pushes"),
        func.sum(func.length(PUSHES.c.payload)).label("bytes"),
        func.max(PUSHES.c.place).label("last"),
    )
    .group_by(literal_column("level"))
    .order_by(literal_column("level"))
)

ADD_PUSH = InsertNew(PUSHES, PUSHES.c.id)

DROP_KNOWN = PUSHES.delete().where(
    PUSHES.c.place.in_([bindparam("place")]), exists().where(RESULTS.c.id == PUSHES.c.id)
)
"""Of pushes just added, those whose id has a result already. Not `id IN (SELECT …)`: SQLite reads
all results for that."""

FIND_PLACES = select(PUSHES.c.place).where(PUSHES.c.place.in_([bindparam("place")]))

FIND_SETTLED = select(RESULTS.c.id).where(RESULTS.c.id.in_([bindparam("id")]))

_PUSH_COLUMNS = [column for column in PUSHES.c if column.name != "collapse"]

_WAITING = select(*_PUSH_COLUMNS, ATTEMPTS.c.attempts).select_from(
    PUSHES.outerjoin(ATTEMPTS, ATTEMPTS.c.place == PUSHES.c.place)
)
"""What `pushd.record.entry_of` reads."""

NEXT_PUSHES = (
    _WAITING.where(PUSHES.c.place > bindparam("after"), PUSHES.c.place < bindparam("before"))
    .order_by(PUSHES.c.place)
    .limit(bindparam("most"))
    .offset(_START)
)

_LOOKED_AT = (
    select(PUSHES.c.place)
    .where(PUSHES.c.place > bindparam("after"), PUSHES.c.place < bindparam("before"))
    .order_by(PUSHES.c.place)
    .limit(bindparam("most"))
    .offset(_START)
)

LAST_LOOKED_AT = select(func.max(_LOOKED_AT.subquery("looked_at").c.place))
"""Where a step of a search ends: no index knows of devices."""

PUSHES_OF_DEVICE = _WAITING.where(
    PUSHES.c.place > bindparam("after"),
    PUSHES.c.place <= bindparam("last"),
    PUSHES.c.device == bindparam("device"),
).order_by(PUSHES.c.place)

FIND_PUSH = _WAITING.where(PUSHES.c.id == bindparam("id"))

FIND_COLLAPSING = _WAITING.where(PUSHES.c.collapse.in_([bindparam("collapse")]))

FORGET_PUSH = PUSHES.delete().where(PUSHES.c.place.in_([bindparam("place")]))

SAVE_ATTEMPTS = Upsert(ATTEMPTS)

FORGET_ATTEMPTS = ATTEMPTS.delete().where(ATTEMPTS.c.place.in_([bindparam("place")]))

SAVE_RESULT = InsertNew(RESULTS, RESULTS.c.id)

FIND_RESULT = RESULTS.select().where(RESULTS.c.id == bindparam("id"))

LAST_RESULT = select(func.max(RESULTS.c.seq))

NEXT_RESULTS = (
    RESULTS.select()
    .where(RESULTS.c.seq > bindparam("after"))
    .order_by(RESULTS.c.seq)
    .limit(bindparam("most"))
    .offset(_START)
)

LAST_RESULTS = (
    RESULTS.select()
    .where(RESULTS.c.seq < bindparam("before"))
    .order_by(RESULTS.c.seq.desc())
    .limit(bindparam("most"))
    .offset(_START)
)

SAVE_INVALID = INVALID_TOKENS.insert()

LAST_INVALID = select(func.max(INVALID_TOKENS.c.seq))

NEXT_INVALID = (
    INVALID_TOKENS.select()
    .where(INVALID_TOKENS.c.seq > bindparam("after"))
    .order_by(INVALID_TOKENS.c.seq)
    .limit(bindparam("most"))
    .offset(_START)
)

LAST_INVALIDS = (
    INVALID_TOKENS.select()
    .where(INVALID_TOKENS.c.seq < bindparam("before"))
    .order_by(INVALID_TOKENS.c.seq.desc())
    .limit(bindparam("most"))
    .offset(_START)
)

OLDEST_RESULT = (
    select(RESULTS.c.seq, RESULTS.c.settled_at).order_by(RESULTS.c.seq).limit(_ONE).offset(_START)
)


def _prune(table: Table) -> Delete:
    """A step: only so many of the oldest are looked at. The newest stays, for the next number."""
    first = select(table.c.seq, table.c.settled_at).order_by(table.c.seq)
    oldest = first.limit(bindparam("most")).offset(_START).subquery("oldest")
    old = select(oldest.c.seq).where(oldest.c.settled_at < bindparam("before"))
    return table.delete().where(table.c.seq.in_(old), table.c.seq < bindparam("last"))


PRUNE_RESULTS = _prune(RESULTS)

PRUNE_INVALID = _prune(INVALID_TOKENS)
