"""A step: one action with its arguments, and beside it the keys that every step may have; the catalogue of actions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails
from pydantic_core import core_schema as schemas

from drills.scenario import disruptions, recoveries, words
from drills.scenario.action import PHASES, Action
from drills.scenario.fields import (
    ITEMS_MAX,
    Duration,
    Flag,
    Line,
    Model,
    PositiveDuration,
    a_value,
    carried,
    merged,
    one_of,
    refuse,
    unknown_key,
)

_ACTIONS: tuple[type[Action], ...] = (
    disruptions.RegionOutage,
    disruptions.Partition,
    disruptions.Latency,
    disruptions.Narrow,
    disruptions.NodeCrash,
    disruptions.NodePause,
    disruptions.Switchover,
    recoveries.Detect,
    recoveries.Declare,
    recoveries.Promote,
    recoveries.Reroute,
    recoveries.AwaitRecovery,
    recoveries.Check,
    recoveries.Wait,
    recoveries.Run,
    recoveries.Manual,
    recoveries.Approve,
    recoveries.Heal,
    recoveries.Rejoin,
    recoveries.Start,
)
CATALOGUE: Mapping[str, type[Action]] = MappingProxyType({action.word: action for action in _ACTIONS})
TOGETHER = "together"
COMMON = ("name", "by", "at", "for", "timeout", "on_failure", "critical", "clock")


class Single(Model):
    """One action with its arguments, and the keys beside it."""

    # A model that contains itself would be read twice by pydantic's wrap validators: blocks are a subclass instead.

    name: Line | None = None
    by: Line | None = None  # a role
    at: Duration | None = None  # not before this offset in its phase
    for_: PositiveDuration | None = Field(None, alias="for")  # undone after it; does not block
    timeout: PositiveDuration | None = None
    on_failure: Annotated[str, *one_of("stop", "continue")] = "continue"
    critical: Flag = False
    clock: Annotated[str, *one_of("start")] | None = None
    action: Annotated[Action | None, Field(exclude=True)] = None  # None only in a block

    blocks: ClassVar[bool] = False

    @classmethod
    def reading(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Read a step: its action by the action's own model, with everything else beside it."""
        mapping: Any = {value: None} if isinstance(value, str) and value in CATALOGUE else value
        if not isinstance(mapping, dict):
            what = f"{a_value(value)} is no step"
            raise refuse(what, words.hint(value, CATALOGUE) if isinstance(value, str) else "write `- ACTION: {…}`")
        word, found = _action_of(mapping, blocks=cls.blocks)
        known = {key: mapping[key] for key in (*COMMON, *([TOGETHER] if cls.blocks else [])) if key in mapping}
        if word in CATALOGUE:
            try:
                known["action"] = CATALOGUE[word].model_validate(mapping[word], context=info.context)
            except ValidationError as error:
                found += carried(error, word)
        found += _beside(mapping, word)
        try:
            step = handler(known)
        except ValidationError as error:
            raise merged(cls.__name__, [*found, *carried(error)]) from None
        if step.action is not None and step.timeout is not None and step.timeout < step.action.lasts_ns():
            found.append(_at("timeout", "the timeout is shorter than the step", "make it longer, or leave it out"))
        if found:
            raise merged(cls.__name__, found)
        return step


class Step(Single):
    """One action with its arguments, or several `together`; and the keys beside it."""

    together: Annotated[list[Single], Field(min_length=1, max_length=ITEMS_MAX)] | None = None

    blocks: ClassVar[bool] = True


def _action_of(mapping: dict[str, Any], *, blocks: bool) -> tuple[str, list[InitErrorDetails]]:
    """The word of a step's action, and an error for every key that is neither that nor a common one."""
    actions = [key for key in mapping if key in CATALOGUE or key == TOGETHER]
    others = [key for key in mapping if key not in actions and key not in COMMON]
    valid = COMMON if actions else (*COMMON, *CATALOGUE, TOGETHER)
    found = [unknown_key(key, mapping[key], valid) for key in others]
    for key in actions[1:]:
        what = f"a second action, {words.shown(key)}, beside {words.shown(actions[0])}"
        found.append(_at(key, what, "begin another item with `-`", at_key=True))
    if TOGETHER in actions and not blocks:
        found.append(_at(TOGETHER, "`together` inside `together`", "move its steps one level up", at_key=True))
    if not actions and not others:
        raise refuse("a step without an action", words.offered(CATALOGUE), at_key=True)
    return (actions or [""])[0], found


def _at(key: str, what: str, hint: str, *, at_key: bool = False) -> InitErrorDetails:
    return InitErrorDetails(type=refuse(what, hint, at_key=at_key), loc=(key,), input=None)


def _beside(mapping: dict[str, Any], word: str) -> list[InitErrorDetails]:
    """A `for` that undoes nothing."""
    if "for" not in mapping or not word or (word in CATALOGUE and CATALOGUE[word].fault):
        return []
    hints = {"wait": "write `wait: {for: …}`", TOGETHER: "write it beside the faults inside"}
    hint = hints.get(word, "only a fault can be undone after a time")
    return [_at("for", f"`for` beside {words.shown(word)}", hint, at_key=True)]


class InPhase:
    """Marks a list's steps as standing in a phase: other actions are refused, and `clock` is for the disruption."""

    def __init__(self, phase: str) -> None:
        if phase not in PHASES:
            raise ValueError(phase)
        self.phase = phase
        self.catalogue = {word: action for word, action in CATALOGUE.items() if phase in action.phases}

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return schemas.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe a step of the phase to an editor: every action is a key, and exactly one of them stands."""
        declared = handler.resolve_ref_schema(handler(core))["properties"]
        beside = {key: declared[key] for key in COMMON}
        actions = {
            word: action.shaped(handler(action.__pydantic_core_schema__)) for word, action in self.catalogue.items()
        }
        single: JsonSchemaValue = {
            "type": "object",
            "properties": actions | beside,
            "additionalProperties": False,
            "oneOf": [{"required": [word]} for word in actions],
        }
        together = {"type": "array", "minItems": 1, "maxItems": ITEMS_MAX, "items": single}
        block = single | {
            "properties": actions | {TOGETHER: together} | beside,
            "oneOf": [{"required": [word]} for word in (*actions, TOGETHER)],
        }
        bare = [word for word, action in self.catalogue.items() if action.empty]
        return {"anyOf": [block, *([{"enum": bare}] if bare else [])]}

    def _check(self, step: Step) -> Step:
        found = self._misplaced(step, ())
        for index, inner in enumerate(step.together or ()):
            found += self._misplaced(inner, (TOGETHER, index))
        if found:
            raise merged("step", found)
        return step

    def _misplaced(self, step: Single, loc: tuple[str | int, ...]) -> list[InitErrorDetails]:
        found = []
        if step.action is not None and step.action.word not in self.catalogue:
            where = " and ".join(step.action.phases)
            error = refuse(
                f"`{step.action.word}` does not belong to {self.phase}", f"it belongs to {where}", at_key=True
            )
            found.append(InitErrorDetails(type=error, loc=(*loc, step.action.word), input=None))
        if step.clock is not None and self.phase != "disruption":
            error = refuse(f"the clock does not start in {self.phase}", "it starts in disruption", at_key=True)
            found.append(InitErrorDetails(type=error, loc=(*loc, "clock"), input=None))
        return found
