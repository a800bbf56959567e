"""What `doctor` looks at for any daemon: clock, disks, database, certificates, limits, rights.

Each look gives findings and changes nothing.
"""
