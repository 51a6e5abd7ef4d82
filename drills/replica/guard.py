"""The guard: what may be drilled at all."""

from typing import Any

from drills.errors import Refused

SUPPORTED_PROVIDERS = ("local",)


def check(plan: dict[str, Any], capabilities: frozenset[str], needs: dict[str, frozenset[str]]) -> None:
    """Refuse a plan that must not or cannot be carried out; nothing was started.

    `needs` names for each step id the capabilities its fault asks of the provider.
    Raises Refused with every reason, one a line.
    """
    replica = plan["replica"]
    reasons = []
    if replica["environment"] != "staging":
        reasons.append(
            f"the replica says environment: {replica['environment']}; faults go only into environment: staging"
        )
    if replica["provider"] not in SUPPORTED_PROVIDERS:
        reasons.append(f"provider {replica['provider']} is not available; use one of: {', '.join(SUPPORTED_PROVIDERS)}")
    for entry, spec in replica["entries"].items():
        if len(spec["to"]) != 1:
            reasons.append(
                f"entry {entry} leads to {len(spec['to'])} nodes; the local provider routes an entry to one node"
            )
    for step, wanted in needs.items():
        missing = sorted(wanted - capabilities)
        if missing:
            what, who = ", ".join(missing), replica["toxiproxy"] or f"provider {replica['provider']}"
            reasons.append(f"step {step} needs something that can {what}; {who} cannot")
    if reasons:
        raise Refused("\n".join(reasons))
