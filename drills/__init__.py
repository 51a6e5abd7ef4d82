"""drills: disaster-recovery drills that measure what really happened.

One way through, and no arrow back:

    scenario ──> plan ──> run ──> evidence ──> measure ──> report
    declared    resolved  performed   on disk      recomputed   read

    scenario/   the declared drill and its plan                      pure
    replica/    the staging copy: regions, nodes, links, entries
    software/   what a node runs: start, promote, rejoin, markers
    faults/     something taken away, with its undo
    toxiproxy/  every connection across a border goes through it
    ledger/     clients: acknowledged marker writes and reads, open loop
    runner/     carries out the phases; the watchdog undoes
    evidence/   the folder of a run: journal, operations, seal       pure
    measure/    RTO, RPO, integrity, verdict, from evidence alone    pure
    report/     HTML, Markdown, JUnit, from evidence and result      pure
    cli/        the command
"""

__version__ = "0.1.0"
