"""Attempts that failed, whose push an outcome was, and which pushes make others pointless."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "attempts",
        sa.Column("place", number, primary_key=True, autoincrement=False),
        sa.Column("attempts", sa.Text, nullable=False),
    )
    op.add_column("pushes", sa.Column("collapse", sa.BigInteger))
    collapses = sa.text("collapse IS NOT NULL")
    op.create_index(
        "ix_pushes_to_collapse",
        "pushes",
        ["collapse"],
        sqlite_where=collapses,
        postgresql_where=collapses,
    )
    op.add_column("results", sa.Column("lane", sa.Integer))
    op.add_column("results", sa.Column("attempts", sa.Text))
    op.add_column("invalid_tokens", sa.Column("credential", sa.String(100)))
