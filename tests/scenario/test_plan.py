"""The plan: everything resolved, and one hash for whatever means the same."""

import hashlib
from typing import Any

import pytest

from drills.evidence import canonical

S = 1_000_000_000
MS = 1_000_000


def test_region_outage_as_the_contract_has_it(desk: Any) -> None:
    """Every part of a plan, with defaults filled in and targets resolved."""
    plan = desk.plan()
    probes = {"rate_per_s": 50.0, "timeout_ns": 900 * MS}
    ledger = {"rate_per_s": 200.0, "reads_per_s": 20.0, "sessions": 16, "payload_bytes": 64, "timeout_ns": 900 * MS}
    assert plan["services"] == {
        "portal": {
            "entry": "portal",
            "software": "postgres",
            "objectives": {
                "rto": {"within_ns": 15 * S, "from": "disruption"},
                "rpo": {"within_ns": S},
                "failback_rto": None,
            },
            "service_level": {"latency_ns": 250 * MS, "success": 0.99, "window_ns": 5 * S, "consecutive_bad": 3},
            "workload": {"probes": probes, "ledger": ledger},
            "clients": {"outside": {"from": "outside", "judge": ["rto", "rpo"], "workload": None}},
        }
    }
    assert plan["phases"]["disruption"]["steps"] == [
        {
            "id": "disruption.1",
            "name": None,
            "action": "region_outage",
            "args": {"region": "seoul", "how": "dark"},
            "targets": {
                "regions": ["seoul"],
                "nodes": ["db-seoul"],
                "links": [["outside", "seoul"], ["busan", "seoul"]],
                "entries": [],
                "services": ["portal"],
            },
            "by": None,
            "at_ns": None,
            "for_ns": None,
            "timeout_ns": 30 * S,
            "on_failure": "continue",
            "critical": False,
            "clock": True,
            "undo": "open the links, give power back; the role stays where it is",
            "together": None,
        }
    ]
    assert plan["replica"]["nodes"]["db-busan"] == {
        "region": "busan",
        "runs": "postgres",
        "role": "standby",
        "follows": "db-seoul",
        "synchronous": False,
        "labels": {"zone": "hall-2"},
        "settings": {},
    }
    assert plan["replica"]["regions"]["seoul"] == {"place": "KR-11", "locality": None, "jurisdiction": "KR"}
    assert plan["phases"]["failback"]["steps"][1]["args"] == {
        "node": "db-seoul",
        "follows": "db-busan",
        "method": "auto",
    }
    rest = {"format", "definitions", "drill", "title", "system", "replica", "software", "services", "phases"}
    assert plan.keys() == rest | {"deadline_ns", "expects", "files"}
    assert [plan[key] for key in ("format", "definitions", "drill", "system", "deadline_ns", "expects", "files")] == [
        1,
        1,
        "outage",
        "portal",
        60 * S,
        None,
        {},
    ]
    assert plan["software"] == {"postgres": {"version": "18.6", "source": "wheel"}}


def test_the_plan_is_canonical_json(desk: Any) -> None:
    """A plan survives its own bytes, and its hash is theirs."""
    resolved = desk.resolve()
    data = canonical.dumps(resolved.plan)
    assert resolved.plan == canonical.loads(data)
    assert resolved.plan_sha256 == hashlib.sha256(data).hexdigest()
    assert (desk.scenario.read_bytes(), desk.replica.read_bytes()) == (resolved.scenario_bytes, resolved.replica_bytes)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("drill: outage", "# a comment\n\ndrill:    'outage'  # another"),
        ("rto: 15s, rpo: 1s", "rpo: 1000ms, rto: {from: disruption, within: 0.25min}"),
        ("region_outage: {region: seoul}", "region_outage: seoul"),
        ("heal: {}", "heal"),
        (
            "region_outage: {region: seoul}",
            "region_outage: {region: seoul, how: dark}\n    clock: start\n    timeout: 30s",
        ),
        ("failback:", "deadline: 1min\nworkload: {ledger: {sessions: 16}}\nsteady_state: 5s\nfailback:"),
        ("rejoin: {node: db-seoul}", "rejoin: {node: db-seoul, follows: db-busan}"),
        ("reroute: {entry: portal, to: db-busan}", "reroute: {to: [db-busan]}"),
        ("objectives:", "x: &o {rto: 15s, rpo: 1s}\nobjectives:"),
        ("{region: seoul, runs: postgres, role: primary", "{role: primary, runs: postgres, region: seoul"),
        ("portal: {to: db-seoul}", "portal: db-seoul"),
    ],
)
def test_what_means_the_same_has_the_same_hash(desk: Any, old: str, new: str) -> None:
    """Comments, quotes, order, units, short forms and written defaults change nothing."""
    expected = desk.resolve().plan_sha256
    desk.edit(old, new)
    if "x: &o" in new:  # an unknown key, whatever its anchor
        assert len(desk.problems()) == 1
        return
    assert expected == desk.resolve().plan_sha256


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rto: 15s", "rto: 14s"),
        ("role: primary, labels: {zone: hall-1}", "role: primary"),
        ("environment: staging", "environment: production"),
        ("failback:", "title: Another\nfailback:"),
        ("entries:", "links: [{between: [seoul, busan], latency: 4ms}]\nentries:"),
    ],
)
def test_what_means_something_else_has_another_hash(desk: Any, old: str, new: str) -> None:
    """A target, a label, a latency is part of what is approved."""
    before = desk.resolve().plan_sha256
    desk.edit(old, new)
    assert before != desk.resolve().plan_sha256


def test_links(desk: Any) -> None:
    """Links are named by their ends in one order; a round trip is halved."""
    desk.edit(
        "entries:", "links: [{between: [seoul, outside], rtt: 10ms}, {between: [seoul, busan], latency: 4ms}]\nentries:"
    )
    assert desk.plan()["replica"]["links"] == [
        {"between": ["busan", "seoul"], "latency_ns": 4 * MS},
        {"between": ["outside", "seoul"], "latency_ns": 5 * MS},
    ]


def step(desk: Any, phase: str = "disruption", number: int = 1) -> Any:
    return desk.plan()["phases"][phase]["steps"][number - 1]


@pytest.mark.parametrize(
    ("written", "args", "links"),
    [
        ("{between: [seoul, busan]}", {"pairs": [["busan", "seoul"]], "direction": "both"}, [["busan", "seoul"]]),
        ("{from: seoul, to: busan}", {"pairs": [["seoul", "busan"]], "direction": "one_way"}, [["busan", "seoul"]]),
        (
            "{from: busan, to: outside}",
            {"pairs": [["busan", "outside"]], "direction": "one_way"},
            [["outside", "busan"]],
        ),
        (
            "{region: seoul}",
            {"pairs": [["outside", "seoul"], ["busan", "seoul"]], "direction": "both"},
            [["outside", "seoul"], ["busan", "seoul"]],
        ),
    ],
)
def test_partitions(desk: Any, written: str, args: Any, links: Any) -> None:
    """Between two, one way, or a region and everything."""
    desk.edit("region_outage: {region: seoul}", f"partition: {written}")
    assert (args, links) == (step(desk)["args"], step(desk)["targets"]["links"])


def test_who_is_hit_by_a_link(desk: Any) -> None:
    """A service is hit by a link when some of its clients come over it."""
    desk.edit("region_outage: {region: seoul}", "latency: {link: [busan, seoul], latency: 100ms, jitter: 10ms}")
    assert step(desk)["args"] == {"link": ["busan", "seoul"], "latency_ns": 100 * MS, "jitter_ns": 10 * MS}
    assert step(desk)["targets"]["services"] == []
    desk.edit("failback:", "clients: {south: {from: busan}}\nfailback:")
    assert step(desk)["targets"]["services"] == ["portal"]


def test_labels(desk: Any) -> None:
    """`where` resolves to the nodes that carry every label."""
    desk.edit("region_outage: {region: seoul}", "node_pause: {where: {zone: hall-2}}")
    assert (
        step(desk)["args"],
        step(desk)["targets"]["nodes"],
        step(desk)["targets"]["services"],
    ) == ({"nodes": ["db-busan"]}, ["db-busan"], [])


def test_together(desk: Any) -> None:
    """A block has ids inside, the targets of all its steps, and one of them starts the clock."""
    steps = [
        "bandwidth: {link: [seoul, busan], rate: 64KB/s}",
        "node_crash: db-seoul\n      clock: start\n      for: 2s",
    ]
    block = "together:" + "".join(f"\n    - {each}" for each in steps)
    desk.edit("region_outage: {region: seoul}", block)
    found = step(desk)
    assert (found["action"], found["id"], found["args"], found["clock"]) == ("together", "disruption.1", {}, False)
    assert [inner["id"] for inner in found["together"]] == ["disruption.1.1", "disruption.1.2"]
    assert [inner["clock"] for inner in found["together"]] == [False, True]
    assert (found["targets"]["nodes"], found["targets"]["links"]) == (["db-seoul"], [["busan", "seoul"]])
    assert found["together"][1]["for_ns"] == 2 * S


def test_the_clock_starts_once(desk: Any) -> None:
    """By default with the first step, in a block with the block's first; two that say so are an error."""
    desk.edit("region_outage: {region: seoul}", "node_pause: db-busan\n  - region_outage: seoul\n    clock: start")
    assert [each["clock"] for each in desk.plan()["phases"]["disruption"]["steps"]] == [False, True]
    desk.edit("node_pause: db-busan", "together: [node_pause: db-busan]\n    clock: start")
    assert desk.problems() == ["outage.yaml:8:5: the clock starts a second time (one step starts it)"]
    desk.edit("\n    clock: start\nrec", "\nrec")
    steps = desk.plan()["phases"]["disruption"]["steps"]
    assert [steps[0]["clock"], steps[0]["together"][0]["clock"], steps[1]["clock"]] == [False, True, False]


def test_switchover_knows_from_where(desk: Any) -> None:
    """Roles and entries move as the plan is played through."""
    desk.edit("region_outage: {region: seoul}", "switchover: db-busan")
    text = desk.scenario.read_text()
    desk.scenario.write_text(text[: text.index("recovery")] + "failback: [switchover: db-seoul]\n")
    assert step(desk)["args"] == {"to": "db-busan", "from": "db-seoul"}
    assert (
        step(desk, "failback")["args"],
        step(desk, "failback")["targets"]["entries"],
    ) == ({"to": "db-seoul", "from": "db-busan"}, ["portal"])


def test_steps_of_people_and_commands(desk: Any) -> None:
    """Texts in two languages, commands as lists, and patience with people."""
    steps = [
        "declare: {}\n    by: minister",
        "manual: {instruction: {ko: 전원을 확인하라}}",
        "approve: Promote Busan\n    timeout: 1min",
        "run: {command: [sh, -c, exit 0], cwd: tools, env: {A: b}}",
        "wait: 40s",
        "await_recovery: 2min",
        "check: {node: db-busan, role: primary}",
        "detect: portal",
    ]
    desk.edit("failback:", "".join(f"  - {each}\n" for each in steps) + "failback:")
    found = desk.plan()["phases"]["recovery"]["steps"][2:]
    assert [each["args"] for each in found] == [
        {},
        {"instruction": {"en": "전원을 확인하라", "ko": "전원을 확인하라"}},
        {"what": {"en": "Promote Busan", "ko": "Promote Busan"}},
        {"command": ["sh", "-c", "exit 0"], "cwd": "tools", "env": {"A": "b"}},
        {"for_ns": 40 * S},
        {"service": None, "within_ns": 120 * S},
        {"node": "db-busan", "role": "primary"},
        {"service": "portal"},
    ]
    assert [each["timeout_ns"] // S for each in found] == [600, 600, 60, 30, 45, 125, 30, 30]
    assert (found[0]["by"], found[0]["id"]) == ("minister", "recovery.3")


def test_clients_inherit_what_they_do_not_say(desk: Any) -> None:
    """A group's workload is the service's with its own words over it."""
    desk.edit(
        "failback:",
        "workload: {ledger: {payload: 1KB}}\n"
        "clients: {outside: {}, inside: {from: seoul, judge: [rpo], workload: {probes: none, ledger: 50/s}}}\n"
        "failback:",
    )
    clients = desk.plan()["services"]["portal"]["clients"]
    assert clients["outside"] == {"from": "outside", "judge": ["rto", "rpo"], "workload": None}
    ledger = {"rate_per_s": 50.0, "reads_per_s": 20.0, "sessions": 16, "payload_bytes": 1000, "timeout_ns": 900 * MS}
    assert {"from": "seoul", "judge": ["rpo"], "workload": {"probes": None, "ledger": ledger}} == clients["inside"]


def test_named_services(desk: Any) -> None:
    """Two entries are two services, each with objectives of its own."""
    desk.edit("  portal:", "  lookup: db-seoul\n  portal:")
    text = desk.scenario.read_text().replace("objectives: {rto: 15s, rpo: 1s}\n", "")
    services = "services: {portal: {objectives: {rto: 15s}}, search: {entry: lookup, objectives: {rpo: 0s}}}\n"
    desk.scenario.write_text(text + services)
    plan = desk.plan()
    assert {name: each["entry"] for name, each in plan["services"].items()} == {"portal": "portal", "search": "lookup"}
    assert sorted(plan["phases"]["disruption"]["steps"][0]["targets"]["services"]) == ["portal", "search"]
    assert plan["phases"]["recovery"]["steps"][1]["targets"]["services"] == ["portal"]
    desk.edit("search: {entry: lookup, ", "search: {")
    assert "outage.yaml:11:46: service `search` has no entry" in desk.problems()[0]


def test_files_of_commands(desk: Any) -> None:
    """The digest of a script that a command names is in the plan, so that another script is another drill."""
    desk.edit("reroute: {entry: portal, to: db-busan}", "run: [sh, tools/dns.sh, --fast]")
    before = desk.resolve()
    assert before.plan["files"] == {}
    (desk.folder / "tools").mkdir()
    (desk.folder / "tools" / "dns.sh").write_text("exit 0\n")
    after = desk.resolve()
    assert {"tools/dns.sh": hashlib.sha256(b"exit 0\n").hexdigest()} == after.plan["files"]
    assert before.plan_sha256 != after.plan_sha256


def test_settings_are_in_the_plan(desk: Any) -> None:
    """An override gives the plan that the file would give with it."""
    overrides = [
        "objectives.rto=10s",
        "disruption.1.region_outage.how=refused",
        "title={en: A, ko: 가}",
        "workload.probes=none",
    ]
    found = desk.resolve(*overrides)
    for old, new in [
        ("rto: 15s", "rto: 10s"),
        ("{region: seoul}\nrec", "{region: seoul, how: refused}\nrec"),
        ("failback:", "title: {en: A, ko: 가}\nworkload: {probes: none}\nfailback:"),
    ]:
        desk.edit(old, new)
    assert desk.resolve().plan_sha256 == found.plan_sha256
    assert found.plan["title"] == {"en": "A", "ko": "가"}


def test_an_alias_is_not_changed_by_a_setting_elsewhere(desk: Any) -> None:
    """An override changes its path, not what shares its anchor."""
    desk.edit("rto: 15s, rpo: 1s", "rto: &t 2s, rpo: *t")
    objectives = desk.plan("objectives.rto=3s")["services"]["portal"]["objectives"]
    assert (objectives["rto"]["within_ns"], objectives["rpo"]["within_ns"]) == (3 * S, 2 * S)


def test_software_settings(desk: Any) -> None:
    """A folder of programs can be given for all nodes and for one; versions are asked with what is declared."""
    desk.edit("entries:", "software: {postgres: {bin: /opt/pg/bin}}\ntoxiproxy: http://127.0.0.1:8474/\nentries:")
    desk.edit("role: primary, ", "role: primary, settings: {bin: /opt/old/bin}, ")
    nodes = desk.plan()["replica"]["nodes"]
    assert [node["settings"] for node in nodes.values()] == [{"bin": "/opt/old/bin"}, {"bin": "/opt/pg/bin"}]
    assert desk.plan()["replica"]["toxiproxy"] == "http://127.0.0.1:8474"


def test_hostile_texts_stay_data(desk: Any) -> None:
    """Markup and templates in texts are carried as they are."""
    text = "<script>alert(1)</script> {{7*7}} ${env:HOME} %s"
    desk.edit("failback:", f'title: "{text}"\nfailback:')
    assert {"en": text, "ko": text} == desk.plan()["title"]
