"""What nodes run: one file for each kind, and how it is told to start, follow, promote, rejoin and keep markers.

    base.py        what the runner and the faults may ask (the Software protocol)
    markers.py     what the ledger may ask (the marker contract)
    catalogue.py   the kinds by name: which versions are here, what drives them
    binaries.py    where PostgreSQL's programs are
    postgres*.py   PostgreSQL
    sql.py         SQL from the runner's side, one bounded connection at a time

A further kind is one more class behind both contracts, and a line in the catalogue.
"""
