"""Alembic migrations of netbootd's database, `versions/<number>_<what>.py`, oldest first.

To change the schema: change `netbootd.schema`, add the next number here, then run
`python -m ops.statement netbootd.schema`. Tests prove that a migrated database and a new one agree.
"""
