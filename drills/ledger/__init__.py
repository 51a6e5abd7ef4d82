"""The ledger: writes markers and reads them back as the system's clients do, and records what they lived through.

A process of its own, so that nothing else bends its time. It is an open loop: every operation has its instant, and
starts then, whether or not earlier ones have ended. Two planes, for they recover at different times:

    schedule   when every operation is due, and an alarm that rings then
    writers    who writes the next marker, so that a sequence has no gap that is not a loss
    attempts   one operation: intent, request, outcome
    probes     the service plane: a fresh connection for each probe
    sessions   the client plane: long-lived connections, as applications hold them
    prober     all of it for one configuration
    __main__   the process: commands from the runner, priority, garbage collection
"""
