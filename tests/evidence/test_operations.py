"""The spools of operations and survivors: what survives a kill, what is refused, what ends in Parquet."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drills.errors import EvidenceError, StorageError
from drills.evidence import operations, survivors
from drills.evidence.operations import Answer, Operation, Spool, Stream, Tail, tail

WRITES = Stream("portal", "outside", "client", "write")
READS = Stream("portal", "outside", "service", "read")


def write(spool: Spool, at_ns: int = 100, **changes: Any) -> int:
    """Record the intent of a write."""
    fields = {"session": 3, "writer": 7, "seq": 5, "attempt": 0, "checksum": "0123456789abcdef"}
    return spool.intent(WRITES, **{**fields, "scheduled_ns": at_ns, "started_ns": at_ns + 1, **changes})


def read(spool: Spool, at_ns: int = 200) -> int:
    """Record the intent of a read."""
    return spool.intent(
        READS, session=None, writer=7, seq=None, attempt=None, checksum=None, scheduled_ns=at_ns, started_ns=at_ns
    )


def rows(parquet: Path) -> list[dict[str, Any]]:
    """Read what was sealed."""
    with duckdb.connect() as connection:
        result = connection.execute("FROM read_parquet(?)", [str(parquet)])
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def sealed(folder: Path, text: bytes) -> list[dict[str, Any]]:
    """Seal these bytes."""
    (folder / "operations.spool").write_bytes(text)
    operations.to_parquet(folder / "operations.spool", folder / "operations.parquet")
    return rows(folder / "operations.parquet")


INTENT = b"i,0,portal,outside,client,write,3,7,5,0,0123456789abcdef,100,101\n"
OUTCOME = b"o,0,150,ok,,db-seoul,1,99,,,\n"


def test_line_for_line(tmp_path: Path) -> None:
    """A spool is plain CSV: a null is an empty field."""
    spool = Spool(tmp_path / "spool")
    spool.outcome(write(spool), ended_ns=150, outcome="ok", answer=Answer("db-seoul", 1, 99))
    spool.outcome(read(spool), ended_ns=250, outcome="info", error="timeout")
    spool.close()

    expected = INTENT + OUTCOME + b"i,1,portal,outside,service,read,,7,,,,200,200\no,1,250,info,timeout,,,,,,\n"
    assert expected == (tmp_path / "spool").read_bytes()


def test_every_column_reaches_parquet(tmp_path: Path) -> None:
    """One row for each intent, in the order of their numbers, typed; what never ended is unfinished."""
    spool = Spool(tmp_path / "spool")
    first, second, third = write(spool), read(spool), write(spool, 300, session=None, attempt=1)
    spool.outcome(second, ended_ns=250, outcome="ok", answer=Answer("db-busan", 2, 98, None, 4, 5))
    spool.outcome(first, ended_ns=260, outcome="ok", answer=Answer("db-seoul", 1, 99, "unreplicated_ack"))

    assert operations.to_parquet(tmp_path / "spool", tmp_path / "sealed.parquet") == 3

    common = {"service": "portal", "grp": "outside", "flags": None, "seen_max": None, "seen_count": None}
    a_write = {**common, "plane": "client", "kind": "write", "writer": 7, "seq": 5, "checksum": "0123456789abcdef"}
    expected: list[dict[str, Any]] = [
        {**a_write, "op": first, "session": 3, "attempt": 0, "scheduled": 100, "started": 101, "ended": 260}
        | {"outcome": "ok", "error": None, "node": "db-seoul", "timeline": 1, "lsn": 99, "flags": "unreplicated_ack"},
        {**common, "op": second, "plane": "service", "kind": "read", "session": None, "writer": 7, "seq": None}
        | {"attempt": None, "checksum": None, "scheduled": 200, "started": 200, "ended": 250, "outcome": "ok"}
        | {"error": None, "node": "db-busan", "timeline": 2, "lsn": 98, "seen_max": 4, "seen_count": 5},
        {**a_write, "op": third, "session": None, "attempt": 1, "scheduled": 300, "started": 301, "ended": None}
        | {"outcome": "info", "error": "unfinished", "node": None, "timeline": None, "lsn": None},
    ]
    assert expected == rows(tmp_path / "sealed.parquet")


def test_types_of_the_sealed_columns(tmp_path: Path) -> None:
    """An empty drill seals to an empty table of the same types: an auditor's query does not depend on luck."""
    operations.to_parquet(tmp_path / "absent", tmp_path / "sealed.parquet")
    with duckdb.connect() as connection:
        table = connection.execute(f"DESCRIBE FROM '{tmp_path / 'sealed.parquet'}'").fetchall()
    kinds = {row[0]: row[1] for row in table}
    numbers = {"op", "seq", "scheduled", "started", "ended", "lsn", "seen_max", "seen_count"}
    assert numbers == {name for name, kind in kinds.items() if kind == "BIGINT"}
    assert {"session", "writer", "attempt", "timeline"} == {n for n, kind in kinds.items() if kind == "INTEGER"}
    assert rows(tmp_path / "sealed.parquet") == []


CUTS = [0, 1, 40, len(INTENT) - 1, len(INTENT), len(INTENT) + 1, len(INTENT + OUTCOME) - 1, len(INTENT + OUTCOME)]


@pytest.mark.parametrize("cut", CUTS)
def test_torn_tail_is_dropped(tmp_path: Path, cut: int) -> None:
    """Wherever a kill cuts the spool, what was whole before the cut is sealed, and nothing else."""
    found = sealed(tmp_path, (INTENT + OUTCOME)[:cut])
    expected = [] if cut < len(INTENT) else ["ok"] if cut == len(INTENT + OUTCOME) else ["info"]
    assert expected == [row["outcome"] for row in found]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"x,0,1\n", "neither an intent nor an outcome"),
        (INTENT.replace(b",101", b""), "an intent that is not complete"),
        (INTENT.replace(b"client", b"clients"), "an intent that is not complete"),
        (INTENT + b"o,0,150\n", "an outcome that is not complete"),
        (INTENT + OUTCOME.replace(b"ok", b"yes"), "an outcome that is not complete"),
        (INTENT + INTENT, "an operation number used twice"),
        (INTENT + OUTCOME + OUTCOME, "an operation number used twice"),
        (OUTCOME, "an outcome without an intent"),
        (INTENT.replace(b"i,0", b"i,zero"), "cannot be converted"),
        (INTENT.replace(b"portal", b"\xff\xfe"), "cannot be converted"),
        (INTENT.replace(b"\n", b",more\n"), "cannot be converted"),
    ],
)
def test_what_is_no_spool(tmp_path: Path, text: bytes, what: str) -> None:
    """Damage in the middle is an error that says what is wrong; no half of a table is left behind."""
    with pytest.raises(EvidenceError, match=what):
        sealed(tmp_path, text)
    assert [tmp_path / "operations.spool"] == list(tmp_path.iterdir())


def test_name_with_pattern_is_a_name(tmp_path: Path) -> None:
    """Brackets, quotes and stars in a folder's name are no patterns."""
    folder = tmp_path / "it's [a] *run*"
    folder.mkdir()
    (folder / "spool").write_bytes(INTENT + OUTCOME)
    assert operations.to_parquet(folder / "spool", folder / "sealed.parquet") == 1


def test_second_writer_is_refused(tmp_path: Path) -> None:
    """Operation numbers are unique because a spool has one writer."""
    write(Spool(tmp_path / "spool"))
    with pytest.raises(EvidenceError, match="one writer"):
        Spool(tmp_path / "spool")


def test_full_disk(tmp_path: Path) -> None:
    """A spool that cannot be written ends the ledger with the reason."""
    (tmp_path / "spool").symlink_to("/dev/full")
    with pytest.raises(StorageError):
        Spool(tmp_path / "spool")
    spool = Spool(Path("/dev/full"))
    with pytest.raises(StorageError, match="disk is full"):
        write(spool)


def test_hostile_words_stay_in_their_field(tmp_path: Path) -> None:
    """A server cannot write lines into the evidence by what it calls itself."""
    spool = Spool(tmp_path / "spool")
    spool.outcome(write(spool), ended_ns=1, outcome="ok", answer=Answer("a,b\no,0,1,ok\u202e" + "x" * 500, 1, 2))
    operations.to_parquet(tmp_path / "spool", tmp_path / "sealed.parquet")
    node = rows(tmp_path / "sealed.parquet")[0]["node"]
    assert node.startswith("a_b_o_0_1_ok_xxx")
    assert len(node) == 128


def test_tail_follows(tmp_path: Path) -> None:
    """A reader gets each operation once, when it has ended, and never half a line."""
    follower = tail(tmp_path / "spool")
    assert follower.poll() == []
    with (tmp_path / "spool").open("ab", buffering=0) as file:
        file.write(INTENT + OUTCOME[:9])
        assert follower.poll() == []
        assert [(o.op, o.outcome, o.error) for o in follower.unfinished] == [(0, "info", "unfinished")]
        file.write(OUTCOME[9:] + INTENT.replace(b"i,0", b"i,1"))
        assert [(o.op, o.outcome, o.ended_ns) for o in follower.poll()] == [(0, "ok", 150)]
        assert follower.poll() == []
        assert [o.op for o in follower.unfinished] == [1]


HISTORY = st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=40)


@settings(max_examples=25, deadline=None)
@given(history=HISTORY, cuts=st.lists(st.integers(1, 200), max_size=10))
def test_tail_and_parquet_agree(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[bool, int]], cuts: list[int]
) -> None:
    """However a spool grows, the reader that follows it and the sealed table know the same operations."""
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder / "whole")
    for finished, at_ns in history:
        op = write(spool, at_ns)
        if finished:
            spool.outcome(op, ended_ns=at_ns + 5, outcome="fail", error="refused")
    spool.close()
    data = (folder / "whole").read_bytes()
    follower, seen = Tail(folder / "grows"), list[Operation]()
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        with (folder / "grows").open("ab") as file:
            file.write(data[min(start, end) : end] if start <= end else b"")
        if start > end:
            break
        seen += follower.poll()
    else:
        operations.to_parquet(folder / "whole", folder / "sealed.parquet")
        table = {(row["op"], row["outcome"], row["ended"]) for row in rows(folder / "sealed.parquet")}
        assert table == {(o.op, o.outcome, o.ended_ns) for o in [*seen, *follower.unfinished]}


def test_survivors_keep_duplicates(tmp_path: Path) -> None:
    """Each row that was found is a row, whoever wrote it; a foreign run's name is cut to what a field may hold."""
    spool = survivors.Spool(tmp_path / "spool")
    found = [("RUN", 1, 2, 0, "aa"), ("RUN", 1, 2, 0, "aa"), ("so,me\nbody" + "x" * 40, 9, 0, 0, "bb")]
    assert spool.append(read="dark", service="portal", node="db", began_ns=5, ended_ns=9, rows=found) == 3
    assert spool.append(read="final", service="portal", node="db", began_ns=15, ended_ns=19, rows=iter(found[:1])) == 1
    spool.close()

    assert survivors.to_parquet(tmp_path / "spool", tmp_path / "sealed.parquet") == 4

    table = [tuple(row.values()) for row in rows(tmp_path / "sealed.parquet")]
    assert table == [
        ("dark", "portal", "db", 5, 9, "RUN", 1, 2, 0, "aa"),
        ("dark", "portal", "db", 5, 9, "RUN", 1, 2, 0, "aa"),
        ("dark", "portal", "db", 5, 9, "so_me_bodyxxxxxxxxxxxxxxxx", 9, 0, 0, "bb"),
        ("final", "portal", "db", 15, 19, "RUN", 1, 2, 0, "aa"),
    ]


def test_survivors_of_more_than_one_batch(tmp_path: Path) -> None:
    """A large read is written in batches and counted whole; its torn tail is dropped."""
    spool = survivors.Spool(tmp_path / "spool")
    many = (("RUN", 1, seq, 0, "aa") for seq in range(25_000))
    assert spool.append(read="final", service="portal", node="db", began_ns=5, ended_ns=9, rows=many) == 25_000
    spool.close()
    with (tmp_path / "spool").open("ab") as file:
        file.write(b"final,portal,db,5,9,RUN,1,25000,0,a")
    assert survivors.to_parquet(tmp_path / "spool", tmp_path / "sealed.parquet") == 25_000


@pytest.mark.parametrize("text", [b"dark,portal,db,5,9,RUN,1,2,0\n", b"light,portal,db,5,9,RUN,1,2,0,aa\n"])
def test_what_is_no_survivor(tmp_path: Path, text: bytes) -> None:
    """A line that is no row of a read is an error."""
    (tmp_path / "spool").write_bytes(text)
    with pytest.raises(EvidenceError, match="not a row that was read"):
        survivors.to_parquet(tmp_path / "spool", tmp_path / "sealed.parquet")
