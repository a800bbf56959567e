"""Alembic migrations of pushd's database, `versions/<number>_<what>.py`, oldest first.

To change the schema: change `pushd.schema`, add the next number here, then run
`python -m ops.statement pushd.schema`. Tests prove that a migrated database and a new one agree.
"""
