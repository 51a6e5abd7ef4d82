"""A TCP proxy that can be broken on purpose, and speaks Toxiproxy's HTTP API.

One process, one event loop, three layers:

    api ──> registry ──> proxy ──> connection ──> pipe ──> stage … ──> the other side
    HTTP    proxies by   a listen  two sockets    one      one toxic
            name         address                  way      at work

    wire        request bodies read and checked, errors with their status
    api         routes of the contract, and POST /dark
    registry    proxies by name: create, populate, reset, dark
    proxy       listens, dials, owns toxics and connections
    connection  two endpoints; what a close or a loss on one side does to the other
    pipe        one direction: toxics chained in the order added, flow control, dark
    toxic       what a toxic is: attributes, and a stage for each connection it meets
    toxics/     one file for each type; a new file is found by itself
    timers      to the microsecond, on CLOCK_MONOTONIC
    client      what the rest of drills uses, over toxiproxy-python

Without toxics a pipe hands `transport.write` of the far side to the loop as the near side's `data_received`: no Python
frame stands between the two sockets. Beyond Toxiproxy, a proxy can go *dark*: it accepts, dials nothing, passes
nothing and closes nothing, whatever happens to the processes behind it.
"""
