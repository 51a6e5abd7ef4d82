"""The folder of a run, and the check that it is what was sealed. Pure: nothing here knows the live side, or judges.

    canonical   RFC 8785 bytes and their SHA-256
    ids         the run's id
    disk        every read is bounded and follows no link; every write is whole or absent
    journal     hash-chained events, one line each
    operations  every attempt of every client: spool, then Parquet
    survivors   every final read: spool, then Parquet
    redact      secrets stay out of all of it
    bundle      the folder: create, write, seal
    manifest    what is in it, with hashes
    verify      whether it still is

Import the modules, not the package: a plan needs `canonical` and nothing else.
"""
