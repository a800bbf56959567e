"""What waits to be sent, what became of it, and tokens that Apple called invalid."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _key(name: str) -> sa.Column[int]:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, number, primary_key=True, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "lanes",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("credential", sa.String(100), nullable=False),
        sa.Column("topic", sa.String(300), nullable=False),
    )
    op.create_table(
        "pushes",
        _key("place"),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("push_type", sa.String(16), nullable=False),
        sa.Column("device", sa.String(400), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("expiration", sa.BigInteger),
        sa.Column("priority", sa.Integer),
        sa.Column("collapse_id", sa.String(64)),
        sa.Column("submitted_at", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_pushes_id", "pushes", ["id"], unique=True)
    op.create_table(
        "results",
        _key("seq"),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("reason", sa.String(100)),
        sa.Column("invalid_since", sa.BigInteger),
        sa.Column("apns_id", sa.String(36)),
        sa.Column("detail", sa.String(500)),
        sa.Column("submitted_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_results_id", "results", ["id"], unique=True)
    op.create_table(
        "invalid_tokens",
        _key("seq"),
        sa.Column("token", sa.String(400), nullable=False),
        sa.Column("topic", sa.String(300), nullable=False),
        sa.Column("reason", sa.String(100)),
        sa.Column("since", sa.BigInteger),
        sa.Column("sent_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger, nullable=False),
    )
