"""A programmable service behind the ledger's own interface, whose outages and sins are known to the nanosecond.

script    what it does when, as data, and random scripts from a seed
service   the service itself, pure: a request and an instant in, a reply out; keeps the truth
client    the ledger's client for it, over TCP; registers the kind `double`
server    the service on a real socket, in a thread, on the host's clock
process   the ledger's real process, with the kind `double` plugged in
virtual   an event loop whose time is computed: the real prober lives through an hour in a second
"""
