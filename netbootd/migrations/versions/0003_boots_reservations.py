"""Boots that are over, and addresses that an operator reserved."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _number() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "boots",
        sa.Column("number", _number(), primary_key=True, autoincrement=False),
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("address", sa.String(15), nullable=False),
        sa.Column("client", sa.String(16), nullable=False),
        sa.Column("architecture", sa.String(255), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("image", sa.String(255), nullable=False),
        sa.Column("began", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("stages", sa.Text, nullable=False),
    )
    op.create_index("ix_boots_machine", "boots", ["machine", "number"])
    op.create_table(
        "reservations",
        sa.Column("mac", sa.String(17), primary_key=True),
        sa.Column("address", sa.String(15), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("reserved_at", sa.BigInteger, nullable=False),
    )
