"""What a server is told, as text."""

import pytest

from drills.software import postgres_config as config
from drills.software.base import Address


@pytest.mark.parametrize(
    ("standbys", "expected"),
    [([], ""), (["db-b"], 'FIRST 1 ("db-b")'), (["db-c", "db-b"], 'FIRST 2 ("db-b", "db-c")')],
)
def test_a_commit_waits_for_every_synchronous_standby(standbys: list[str], expected: str) -> None:
    """PostgreSQL's plain list would wait for one of them only."""
    assert expected == config.waits_for(standbys)


def test_values_are_quoted_for_their_reader() -> None:
    """For libpq a quote is escaped with a backslash, for configuration files and SQL it is doubled."""
    assert "'it''s'" == config.quoted("it's")
    text = config.connection_string(Address("127.0.0.1", 5), "db-a", password="a'b\\c")
    assert "password='a\\'b\\\\c'" in text
    assert "application_name='db-a'" in text
    setting = config.role_settings({"primary_conninfo": text})
    assert setting.startswith("primary_conninfo = 'host=''127.0.0.1''")


def test_a_node_has_no_unix_socket_and_listens_on_loopback() -> None:
    """Nothing to leave behind, nothing to reach from elsewhere; and no copied file can change it."""
    options = config.command("db-a", 5432)
    assert {"unix_socket_directories=", "listen_addresses=127.0.0.1", "port=5432", "cluster_name=db-a"} <= set(options)


def test_only_the_clients_role_is_trusted() -> None:
    """A superuser that anybody can become starts programs as whoever runs the drill."""
    rules = [line.split() for line in config.access_rules().splitlines() if not line.startswith("#")]
    assert [["host", "drills", "drills", "127.0.0.1/32", "trust"]] == [rule for rule in rules if rule[-1] == "trust"]
    assert {"127.0.0.1/32"} == {rule[3] for rule in rules}
