"""What a PostgreSQL node is told: its files and its command line, as text.

What tells nodes apart (port, name) stands on the command line, since pg_basebackup and pg_rewind copy configuration
files from the other node. What changes with the role stands in postgresql.auto.conf, where the server can change it.

Nobody on this machine may become the database's superuser without the run's own password: a superuser can start
programs as the user that runs the server, and that may be root. The clients' role owns its database and nothing else.
"""

from collections.abc import Mapping

from drills.software.base import Address
from drills.software.sql import Access

ADMIN = "drills_admin"
CLIENT = Access(user="drills", database="drills")

_SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "wal_level": "replica",
    "hot_standby": "on",
    "max_wal_senders": "10",
    # A standby that was away, and pg_rewind, find the WAL since they parted.
    "wal_keep_size": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "wal_log_hints": "on",
    # In files below the data directory: nothing in /dev/shm outlives a killed tree.
    "dynamic_shared_memory_type": "mmap",
    # A standby that finds its upstream's link healed is back at once, not after five seconds.
    "wal_retrieve_retry_interval": "500ms",
    "log_line_prefix": "%m [%p] %b ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

_ACCESS_RULES = f"""\
# Only over loopback. Clients of the drill come as {CLIENT.user}; everything else needs the run's password.
host  {CLIENT.database}  {CLIENT.user}  127.0.0.1/32  trust
host  all          {ADMIN}  127.0.0.1/32  password
host  replication  {ADMIN}  127.0.0.1/32  password
"""

FIRST_START = f"""\
ALTER DATABASE postgres RENAME TO {CLIENT.database};
CREATE ROLE {CLIENT.user} LOGIN;
GRANT pg_read_all_stats TO {CLIENT.user};
ALTER DATABASE {CLIENT.database} OWNER TO {CLIENT.user};
"""
"""Renaming is fifty times faster than making a database. Statistics only: pg_monitor could read passwords."""

LEDGER = f"""\
SET ROLE {CLIENT.user};
CREATE TABLE IF NOT EXISTS drills_ledger (
  run text, writer int, seq bigint, attempt int, payload text, checksum text
);
CREATE INDEX IF NOT EXISTS drills_ledger_writer ON drills_ledger (run, writer, seq);
"""
"""No unique constraint: it would hide a duplicate."""


def server_settings() -> str:
    """Give postgresql.conf, the same on every node."""
    return "".join(f"{name} = {quoted(value)}\n" for name, value in _SETTINGS.items())


def access_rules() -> str:
    """Give pg_hba.conf."""
    return _ACCESS_RULES


def role_settings(settings: Mapping[str, str]) -> str:
    """Give postgresql.auto.conf, as ALTER SYSTEM writes it."""
    return "".join(f"{name} = {quoted(value)}\n" for name, value in settings.items())


def command(node: str, port: int) -> list[str]:
    """Options of the server that no copied file may change; no Unix socket, so that none can be left behind."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "cluster_name": node,
        "unix_socket_directories": "",
        "log_destination": "stderr",
        "logging_collector": "off",
    }
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def connection_string(address: Address, node: str, **more: str) -> str:
    """Say to libpq how `node` reaches another through an address; a dead link is noticed within five seconds."""
    words = {
        "host": address.host,
        "port": str(address.port),
        "user": ADMIN,
        "application_name": node,
        "connect_timeout": "5",
        "sslmode": "disable",
        "gssencmode": "disable",
        **more,
    }
    return " ".join(f"{name}={_libpq_quoted(value)}" for name, value in words.items())


def waits_for(standbys: list[str]) -> str:
    """Say in synchronous_standby_names that a commit waits for every one of these; "" for none."""
    if not standbys:
        return ""
    names = ", ".join(f'"{name}"' for name in sorted(standbys))
    return f"FIRST {len(standbys)} ({names})"


def quoted(value: str) -> str:
    """Write a value as configuration files and SQL want it."""
    return "'" + value.replace("'", "''") + "'"


def _libpq_quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
