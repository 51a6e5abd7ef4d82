"""Final reads: which markers the recovered system still holds (survivors, 잔존 기록).

One while the region is dark, after the recovery held; one at the very end. Each is one snapshot on the node that the
entry leads to, which must prove that it has authority.
"""

from typing import Any

from drills.errors import LiveError, StorageError
from drills.evidence.survivors import Read
from drills.runner.stage import Stage


def read(stage: Stage, which: Read) -> None:
    """Read every service's survivors; what cannot be read is written down as such, and is no pass."""
    for name, service in stage.plan["services"].items():
        node = stage.topology.routed_to(service["entry"])
        common: dict[str, Any] = {"read": which, "service": name, "node": node}
        began = stage.now()
        try:
            found = stage.software_of(node).survivors(node, stage.run)
            rows = stage.survivors.append(
                **common,
                began_ns=found.began_ns - stage.zero_ns,
                ended_ns=found.ended_ns - stage.zero_ns,
                rows=found.rows,
            )
        except (LiveError, StorageError, OSError) as error:
            stage.journal.append(
                "survivors.read",
                **common,
                began=began,
                ended=stage.now(),
                authority={"proved": False, "timeline": None, "lsn": None, "detail": str(error)},
                rows=0,
                error=str(error),
            )
            continue
        authority = found.authority
        stage.journal.append(
            "survivors.read",
            **common,
            began=found.began_ns - stage.zero_ns,
            ended=found.ended_ns - stage.zero_ns,
            authority={
                "proved": authority.proved,
                "timeline": authority.timeline,
                "lsn": authority.lsn,
                "detail": authority.detail,
            },
            rows=rows,
            error=None,
        )
