# ruff: noqa: E501  a table is read by its columns
"""Errors: each names file, line, column, what is wrong and the nearest valid word; several are reported at once."""

from typing import Any

import pytest

from drills.scenario import validate

REGION = "region_outage: {region: seoul}"
REROUTE = "reroute: {entry: portal, to: db-busan}"
STANDBY = "follows: db-seoul, "

CASES = [
    # an edit of one of the two files; the only problem that follows
    ("objectives", "objectivs", "outage.yaml:3:1: unknown key `objectivs` (did you mean `objectives`?)"),
    ("rto: 15s", "rto: 15", "outage.yaml:3:19: `15` has no unit (did you mean `15s`?)"),
    ("rto: 15s", "rto: -15s", "outage.yaml:3:19: `-15s` is below zero (write a duration such as 5s)"),
    ("rto: 15s", "rto: yes", "outage.yaml:3:19: `yes` is no duration (write 15s, 250ms or 1m30s)"),
    ("rto: 15s", "rto: {within: 15s, form: x}", "outage.yaml:3:33: unknown key `form` (did you mean `from`?)"),
    ("rto: 15s", "rto: [15s]", "outage.yaml:3:14: a list is no duration (write a duration such as 5s)"),
    ("rto: 15s", "rto: 90s", "outage.yaml:3:19: rto 90s is longer than the deadline 60s (write `deadline: 180s`)"),
    ("drill: outage", "drill: Outage", "outage.yaml:1:8: `Outage` is no name (did you mean `outage`? lower-case"),
    ("drill: outage", "drill: 3", "outage.yaml:1:8: `3` is no text (put it in quotes)"),
    ("drill: outage\n", "", "outage.yaml:1:1: key `drill` is missing"),
    ("replica: two\nobj", "replica: tow\nobj", "outage.yaml:2:10: no replica is called `tow` (did you mean `two`?)"),
    ("replica: two\nobj", "replica: ./no.yaml\nobj", "outage.yaml:2:10: there is no replica `./no.yaml`"),
    ("replica: two\nobj", "obj", "outage.yaml:1:1: key `replica` is missing"),
    ("{region: seoul}\nrec", "{region: soeul}\nrec", "outage.yaml:5:29: region `soeul` does not exist (did you mean `seoul`?)"),
    ("{region: seoul}\nrec", "{regoin: seoul}\nrec", "outage.yaml:5:5: key `region` is missing"),
    ("{region: seoul}\nrec", "{region: seoul, how: drak}\nrec", "outage.yaml:5:41: `drak` is not valid here (did you mean `dark`?)"),
    (REGION, "region_otage: {}", "outage.yaml:5:5: unknown key `region_otage` (did you mean `region_outage`?)"),
    (REGION, "node_crash: db-soul", "outage.yaml:5:17: node `db-soul` does not exist (did you mean `db-seoul`?)"),
    (REGION, "node_crash: {where: {zone: hall-3}}", "outage.yaml:5:32: no node is labelled `zone: hall-3` (did you mean"),
    (REGION, "node_crash: {where: {zoen: hall-1}}", "outage.yaml:5:32: no node is labelled `zoen: hall-1` (did you mean `zone`?)"),
    (REGION, "node_crash: {}", "outage.yaml:5:5: a fault without a node (write one of {node: NAME}, {where: {LABEL: VALUE}})"),
    (REGION, "partition: {}", "outage.yaml:5:5: a partition without places (write one of"),
    (REGION, "partition: {region: seoul, between: [seoul, busan]}", "outage.yaml:5:5: a partition in more than one form"),
    (REGION, "partition: {from: seoul}", "outage.yaml:5:5: a partition one way needs `from` and `to`"),
    (REGION, "partition: {between: [seoul, seoul]}", "outage.yaml:5:5: both ends are `seoul`"),
    (REGION, "latency: {link: [seoul, outsid], latency: 9ms}", "outage.yaml:5:29: region `outsid` does not exist (did you mean `outside`?)"),
    (REGION, "latency: {link: [seoul, busan], latency: 9ms, jitter: 10ms}", "outage.yaml:5:5: the jitter is larger"),
    (REGION, "latency: {link: [seoul, busan], latency: 500us}", "outage.yaml:5:46: finer than a millisecond"),
    (REGION, "bandwidth: {link: [seoul, busan], rate: 64}", "outage.yaml:5:45: `64` has no unit (did you mean `64KB/s`?)"),
    (REGION, "bandwidth: {link: [seoul, busan], rate: 10B/s}", "outage.yaml:5:5: the rate is no whole number of KB/s"),
    (REGION, "switchover: {to: db-seoul}", "outage.yaml:5:22: `db-seoul` is the primary already"),
    (REGION, "promote: db-busan", "outage.yaml:5:5: `promote` does not belong to disruption (it belongs to recovery and failback)"),
    (REGION, "by: me", "outage.yaml:5:5: a step without an action"),
    (REGION, "heal", "outage.yaml:5:5: `heal` does not belong to disruption (it belongs to failback)"),
    (REGION, "3", "outage.yaml:5:5: `3` is no step"),
    (REGION, f"{REGION}\n    for: 5", "outage.yaml:6:10: `5` has no unit (did you mean `5s`?)"),
    (REGION, f"{REGION}\n    critical: yes", "outage.yaml:6:15: `yes` is neither true nor false (did you mean `true`?)"),
    (REGION, f"{REGION}\n    on_failure: halt", "outage.yaml:6:17: `halt` is not valid here"),
    (REGION, f"{REGION}\n    clock: stop", "outage.yaml:6:12: `stop` is not valid here (valid: start)"),
    (f"\n  - {REGION}", " []", "outage.yaml:4:1: there is nothing in it (at least 1 are needed)"),
    (f"\n  - {REGION}", f" {{{REGION}}}", "outage.yaml:4:1: a mapping stands where a list is expected"),
    (REROUTE, "reroute: {to: db-seoul}", "outage.yaml:8:19: entry `portal` leads to `db-seoul` already at this point"),
    (REROUTE, "reroute: {entry: portl, to: db-busan}", "outage.yaml:8:22: entry `portl` does not exist (did you mean `portal`?)"),
    (REROUTE, f"{REROUTE}\n    for: 5s", "outage.yaml:9:5: `for` beside `reroute` (only a fault can be undone after a time)"),
    (REROUTE, "wait: 2", "outage.yaml:8:11: `2` has no unit (did you mean `2s`?)"),
    (REROUTE, "wait: 40s\n    timeout: 30s", "outage.yaml:9:14: the timeout is shorter than the step"),
    (REROUTE, "clock: start\n    declare: {}", "outage.yaml:8:5: the clock does not start in recovery (it starts in disruption)"),
    (REROUTE, "together: []", "outage.yaml:8:5: there is nothing in it"),
    (REROUTE, "together: [{together: [declare]}]", "outage.yaml:8:17: `together` inside `together`"),
    (REROUTE, f"{REROUTE}\n    wait: 2s", "outage.yaml:9:5: a second action, `wait`, beside `reroute`"),
    (REROUTE, "run: ls -l", "outage.yaml:8:10: a command is a list of arguments, not a line for a shell (write [ls, -l])"),
    (REROUTE, "run: [sleep, 5]", "outage.yaml:8:18: `5` is no text (put it in quotes)"),
    (REROUTE, "detect: {service: portla}", "outage.yaml:8:23: service `portla` does not exist (did you mean `portal`?)"),
    (REROUTE, "check: {node: db-busan}", "outage.yaml:8:5: a check of a node needs `node` and `role`"),
    (REROUTE, "manual: ' '", "outage.yaml:8:13: the text is empty"),
    (REROUTE, "approve: {}", "outage.yaml:8:5: key `what` is missing"),
    ("promote: {node: db-busan}", "promote: {node: db-seoul}", "outage.yaml:7:21: `db-seoul` is the primary already"),
    ("rejoin: {node: db-seoul}", "rejoin: {node: db-busan}", "outage.yaml:11:20: `db-busan` is the primary at this point"),
    ("rejoin: {node: db-seoul}", "start: db-seoul", "outage.yaml:11:12: `db-seoul` was replaced: started, it would accept"),
    ("heal: {}", "heal: {}\n  - heal: {}", "outage.yaml:11:5: there is nothing to heal at this point"),
    ("failback:", "deadline: 0s\nfailback:", "outage.yaml:9:11: `0s` must be above zero"),
    ("failback:", "workload: {probes: none, ledger: none}\nfailback:", "outage.yaml:3:14: `rto` without the workload that measures it"),
    ("failback:", "workload: {probes: 50}\nfailback:", "outage.yaml:9:20: `50` has no unit (did you mean `50/s`?)"),
    ("failback:", "workload: {probes: {timeout: 1s}}\nfailback:", "outage.yaml:9:30: a probe waits less than 1s"),
    ("failback:", "service_level: {latency: 901ms}\nfailback:", "outage.yaml:9:26: probes wait 900ms, less than the service level's"),
    ("failback:", "clients: {a: {judge: [rpo]}}\nfailback:", "outage.yaml:3:14: `rto` without clients that are judged on it"),
    ("failback:", "clients: {a: {from: soul}}\nfailback:", "outage.yaml:9:21: region `soul` does not exist (did you mean `seoul`?)"),
    ("failback:", "services: {x: {}}\nfailback:", "outage.yaml:3:1: `objectives` beside `services`"),
    ("failback:", "expects: {verdict: fail}\nfailback:", "outage.yaml:9:20: `fail` is not valid here (did you mean `failed`?)"),
    ("failback:", "expects: {findings: [losst]}\nfailback:", "outage.yaml:9:22: `losst` is not valid here (did you mean `lost`?)"),
    ("failback:", "title: {en: 2026}\nfailback:", "outage.yaml:9:13: `2026` is no text (put it in quotes)"),
    ("failback:", "title: {}\nfailback:", "outage.yaml:9:1: the text is empty"),
    ("failback:", f"title: {'x' * 201}\nfailback:", "outage.yaml:9:8: the text is longer than 200 characters"),
    ("rto: 15s,", "rto: {within: 15s, from: declaration},", "outage.yaml:3:39: the clock starts at a declaration that nobody makes"),
    # the replica's file
    ("environment: staging\n", "", "two.yaml:1:1: key `environment` is missing"),
    (STANDBY, "", "two.yaml:9:3: a standby that follows nobody (add `follows: NODE`)"),
    (STANDBY, "follows: db-seuol, ", "two.yaml:9:69: node `db-seuol` does not exist (did you mean `db-seoul`?)"),
    (STANDBY, "follows: db-busan, ", "two.yaml:9:69: a cycle: db-busan → db-busan (one of them must be the primary)"),
    ("role: primary", "role: primary, follows: db-busan", "two.yaml:8:3: a primary that follows `db-busan`"),
    ("role: primary", "role: primary, synchronous: true", "two.yaml:8:3: a primary cannot be synchronous"),
    ("runs: postgres, role: p", "runs: postgresql, role: p", "two.yaml:8:35: `postgresql` is not valid here (did you mean `postgres`?)"),
    ("region: busan", "region: bussan", "two.yaml:9:22: region `bussan` does not exist (did you mean `busan`?)"),
    ("to: db-seoul}", "to: db-soul}", "two.yaml:11:16: node `db-soul` does not exist (did you mean `db-seoul`?)"),
    ("  busan: {", "  outside: {}\n  busan: {", "two.yaml:6:3: `outside` is where the clients are"),
    ("KR-26", "Busan", "two.yaml:6:18: `Busan` is no ISO 3166 place (such as KR-11, or KR)"),
    ("entries:", "links: [{between: [seoul, busan]}]\nentries:", "two.yaml:10:9: a link without a latency"),
    ("entries:", "links: [{between: [seoul, busan], rtt: 5ms}]\nentries:", "two.yaml:10:40: half of it is no whole number"),
    ("entries:", "toxiproxy: localhost\nentries:", "two.yaml:10:12: `localhost` is no URL of a server"),
    ("entries:", "software: {postgres: {bin: bin}}\nentries:", "two.yaml:10:28: `bin` is no absolute path"),
    ("  portal:", "  lookup: db-seoul\n  portal:", "outage.yaml:2:1: 2 entries (lookup, portal) and no name for their services"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_one_problem(desk: Any, old: str, new: str, expected: str) -> None:
    """One mistake is found where it stands, and named."""
    desk.edit(old, new)
    found = desk.problems()
    assert any(problem.startswith(expected) for problem in found), found


def test_one_mistake_is_one_problem(desk: Any) -> None:
    """A mistake is not reported a second time by what depends on it."""
    desk.edit("region_outage: {region: seoul}", "region_outage: {region: soeul}")
    assert len(desk.problems()) == 1


def test_several_at_once(desk: Any) -> None:
    """Problems of both files and of every kind are reported together, the scenario's first, in order of their places."""
    for old, new in [
        ("rto: 15s", "rto: 15"),
        ("drill: outage", "drill: outage\ntittle: x\nworkload: {probes: none, ledger: none}"),
        ("{region: seoul}\nrec", "{region: soeul, hwo: dark}\nrec"),
        ("promote: {node: db-busan}", "promote: {node: db-basan}"),
        ("environment: staging", "environment: staging\nprovider: lokal"),
        ("region: busan, ", "region: busan, region: busan, sync: true, "),
    ]:
        desk.edit(old, new)
    assert desk.problems() == [
        "outage.yaml:2:1: unknown key `tittle` (did you mean `title`?)",
        "outage.yaml:5:19: `15` has no unit (did you mean `15s`?)",
        "outage.yaml:5:23: `rpo` without the workload that measures it (add `probes: 50/s` or `ledger: 200/s` to the workload)",
        "outage.yaml:7:29: region `soeul` does not exist (did you mean `seoul`?)",
        "outage.yaml:7:36: unknown key `hwo` (did you mean `how`?)",
        "outage.yaml:9:21: node `db-basan` does not exist (did you mean `db-busan`?)",
        "two.yaml:4:11: `lokal` is not valid here (did you mean `local`?)",
        "two.yaml:10:29: key `region` stands here a second time (first on line 10: remove one)",
        "two.yaml:10:44: unknown key `sync` (did you mean `synchronous`?)",
    ]


def test_circles_are_found_whatever_else_is_wrong(desk: Any) -> None:
    """Standbys that follow each other are one problem for each circle, beside others."""
    nodes = "".join(
        f"  {a}: {{region: busan, runs: postgres, role: standby, follows: {b}}}\n" for a, b in ("xy", "yz", "zx")
    )
    desk.edit("entries:", f"{nodes}  bad: {{}}\nentries:")
    found = desk.problems()
    assert "two.yaml:10:62: a cycle: x → y → z → x (one of them must be the primary)" in found
    assert sum(problem.startswith("two.yaml:13:3: key") for problem in found) == 3


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("objectives.rto=10", "--set:1:16: `10` has no unit (did you mean `10s`?)"),
        ("objectives.rt0=10s", "--set:1:12: unknown key `rt0` (did you mean `rto`?)"),
        ("objectivs.rto=10s", "--set:1:1: unknown key `objectivs` (did you mean `objectives`?)"),
        (
            "objectives.rto",
            "--set:1:1: `objectives.rto` is no setting (write KEY.KEY=VALUE, such as objectives.rto=10s)",
        ),
        ("=10s", "--set:1:1: `=10s` is no setting (write KEY.KEY=VALUE, such as objectives.rto=10s)"),
        ("objectives..rto=10s", "--set:1:1: `objectives..rto` has an empty part (write KEY.KEY=VALUE)"),
        (
            "objectives.rto.from=declaration",
            "--set:1:16: `objectives.rto` is `15s`, not a mapping with `from` (set all of it",
        ),
        (
            "disruption.1.region_outage.region=soeul",
            "--set:1:35: region `soeul` does not exist (did you mean `seoul`?)",
        ),
        ("disruption.2.region_outage.region=seoul", "--set:1:12: `disruption` has no item `2` (1 to 1)"),
        ("disruption.x=1", "--set:1:12: `disruption` has no item `x` (1 to 1)"),
        ("title=[", "--set:1:7: is no YAML: "),
        ("title=\x07", "--set:1:7: is no YAML"),
        ("title=\udcff", "--set:1:7: is not UTF-8"),
        ("replica=one", "--set:1:9: no replica is called `one`"),
        ("x" * 20_000 + "=1", "--set:1:1: the setting is longer than 10000 characters"),
    ],
)
def test_settings(desk: Any, override: str, expected: str) -> None:
    """An override is checked like the file, its position being its number and the place in its text."""
    found = desk.problems(override)
    assert found[0].startswith(expected), found


def test_the_second_setting(desk: Any) -> None:
    """The line of a setting is its number."""
    expected = ["--set:2:16: `1` has no unit (did you mean `1s`?)"]
    assert expected == desk.problems("objectives.rpo=2s", "objectives.rto=1")


def test_no_shell_and_no_file_is_touched(desk: Any) -> None:
    """Validation of a hostile scenario starts nothing and writes nothing."""
    desk.edit("reroute: {entry: portal, to: db-busan}", "run: [touch, made]")
    before = sorted(desk.folder.iterdir())
    assert desk.problems() == []
    assert before == sorted(desk.folder.iterdir())


def test_a_file_of_mistakes(desk: Any) -> None:
    """Thousands of problems are a hundred, and their number."""
    desk.edit("recovery:", "".join(f"unknown-{number}: 1\n" for number in range(4000)) + "recovery:")
    found = desk.problems()
    assert len(found) == 101
    assert found[-1] == "outage.yaml:106:1: 3900 more problems, this is the first (correct those above first)"


def test_a_replica_by_itself(desk: Any) -> None:
    """A replica's file can be validated without a scenario."""
    desk.edit("role: standby", "role: stanby")
    expected = ["two.yaml:9:51: `stanby` is not valid here (did you mean `standby`?)"]
    assert [str(problem).removeprefix(f"{desk.folder}/") for problem in validate(desk.replica)] == expected
