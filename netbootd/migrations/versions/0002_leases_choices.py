"""Leases of the DHCP server, and the boot entries that machines chose."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column(
            "address",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("client", sa.String(512), nullable=False),
        sa.Column("hardware", sa.String(47), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("starts", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("host_name", sa.String(255), nullable=False),
        sa.Column("circuit_id", sa.String(512), nullable=False),
        sa.Column("remote_id", sa.String(512), nullable=False),
    )
    op.create_table(
        "choices",
        sa.Column("mac", sa.String(17), primary_key=True),
        sa.Column("entry", sa.String(255), nullable=False),
        sa.Column("chosen_at", sa.BigInteger, nullable=False),
    )
