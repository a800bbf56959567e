"""Machines and the images they chose."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "machines",
        sa.Column("mac", sa.String(17), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("machine_name", sa.String(255), nullable=False),
        sa.Column("image_id", sa.BigInteger, nullable=False),
        sa.Column("architecture", sa.String(255), nullable=False),
        sa.Column("system_id", sa.String(255), nullable=False),
        sa.Column("address", sa.String(15), nullable=False),
        sa.Column("selected_at", sa.BigInteger, nullable=False),
    )
