"""The kinds of values that scenario and replica are made of, and the base of their models.

A value that cannot be accepted is reported where it stands, with what to write instead; `problems` turns what pydantic
collected into positions. Names that are referred to (regions, nodes, entries, services) are checked against `Names`,
which is read from the trees before any model is made, so that a wrong unit does not hide a wrong region.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from drills.errors import Problem
from drills.scenario import tree, units, words

OUTSIDE = "outside"
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
TITLE_MAX = 200
TEXT_MAX = 2000
ITEMS_MAX = 200
# Line ends and tabs are for long texts; the separators are line ends to some readers and not to others.
_ONE_LINE = re.compile("[\n\r\t\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What can be referred to; None where it is unknown (a file that could not be read): then nothing is refused."""

    regions: frozenset[str] | None = None
    nodes: frozenset[str] | None = None
    entries: frozenset[str] | None = None
    services: frozenset[str] | None = None


def refuse(what: str, hint: str = "", *, at_key: bool = False, unknown: bool = False) -> PydanticCustomError:
    """An error for a validator to raise; `at_key` shows it at the key, `unknown` says that the key means nothing."""
    context = {"what": what, "hint": hint, "at_key": at_key, "unknown": unknown}
    return PydanticCustomError("drills", "{what}", context)


# --- single values ---------------------------------------------------------------------------------------------------


def _of_unit(parse: Callable[[object], Any]) -> PlainValidator:
    def check(value: object) -> Any:
        try:
            return parse(value)
        except units.UnitError as error:
            raise refuse(error.what, error.hint) from None

    return PlainValidator(check)


def _above_zero_ns(value: object) -> int:
    duration = units.duration_ns(value)
    if duration == 0:
        raise units.UnitError(f"{words.shown(value)} must be above zero")
    return duration


_DURATION_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "description": "a number and a unit: 250ms, 15s, 1m30s, 2h",
        "pattern": r"^\s*([0-9]+(\.[0-9]+)? ?(ns|us|ms|s|m|min|h|d) ?)+\s*$",
    }
)


def _unit_schema(description: str, unit_words: str) -> WithJsonSchema:
    pattern = rf"^\s*[0-9]+(\.[0-9]+)?\s*({unit_words})\s*$"
    return WithJsonSchema({"type": "string", "description": description, "pattern": pattern})


Duration = Annotated[int, _of_unit(units.duration_ns), _DURATION_SCHEMA]
PositiveDuration = Annotated[int, _of_unit(_above_zero_ns), _DURATION_SCHEMA]
Rate = Annotated[float, _of_unit(units.rate_per_s), _unit_schema("50/s, 3000/min", r"\/s|\/min|\/h")]
Size = Annotated[int, _of_unit(units.size_bytes), _unit_schema("64B, 1KB (1000), 1KiB (1024)", "B|[kK]B|KiB|[MG]i?B")]
Bandwidth = Annotated[
    int,
    _of_unit(units.bandwidth_bytes_per_s),
    _unit_schema("64KB/s, 8Mbit/s", r"(B|[kK]B|KiB|[MG]i?B|[kKMG]bit)\/s"),
]
Share = Annotated[float, _of_unit(units.share), _unit_schema("99%", "%")]


def text_of(value: object, *, maximum: int, lines: bool) -> str:
    """A text of 1 to `maximum` characters; raises what `refuse` makes."""
    if not isinstance(value, str):
        what = f"{words.shown(value)} is no text"
        raise refuse(what, "" if isinstance(value, (dict, list)) else "put it in quotes")
    if not value.strip():
        raise refuse("the text is empty")
    if len(value) > maximum:
        raise refuse(f"the text is longer than {maximum} characters")
    if not lines and _ONE_LINE.search(value):
        raise refuse("the text must stand on one line")
    return value


def _text(maximum: int, *, lines: bool = False) -> tuple[PlainValidator, WithJsonSchema]:
    def check(value: object) -> str:
        return text_of(value, maximum=maximum, lines=lines)

    return PlainValidator(check), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": maximum})


_line, _line_schema = _text(TITLE_MAX)
_long, _long_schema = _text(TEXT_MAX, lines=True)
Line = Annotated[str, _line, _line_schema]
LongText = Annotated[str, _long, _long_schema]


def _name(value: object) -> str:
    text = text_of(value, maximum=TITLE_MAX, lines=False)
    if NAME.fullmatch(text) is None:
        folded = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-0123456789")[:63]
        what = f"{words.shown(text)} is no name"
        rule = "lower-case letters, digits and `-`, first a letter, 63 at most"
        raise refuse(what, f"did you mean `{folded}`? {rule}" if NAME.fullmatch(folded) else rule)
    return text


_NAME_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"})
Name = Annotated[str, PlainValidator(_name), _NAME_SCHEMA]


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(str(value).lower())
        raise refuse(f"{words.shown(value)} is neither true nor false", f"did you mean `{meant}`?" if meant else "")
    return value


Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]


def whole(minimum: int, maximum: int) -> tuple[PlainValidator, WithJsonSchema]:
    """A whole number between two bounds, both included."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(f"{words.shown(value)} is no whole number")
        if not minimum <= value <= maximum:
            raise refuse(f"{words.shown(value)} is not between {minimum} and {maximum}")
        return value

    return PlainValidator(check), WithJsonSchema({"type": "integer", "minimum": minimum, "maximum": maximum})


def one_of(*valid: str) -> tuple[PlainValidator, WithJsonSchema]:
    """One word of a few."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in valid:
            raise refuse(f"{words.shown(value)} is not valid here", words.hint(str(value), valid))
        return value

    return PlainValidator(check), WithJsonSchema({"type": "string", "enum": list(valid)})


def matching(pattern: str, noun: str, example: str) -> tuple[PlainValidator, WithJsonSchema]:
    """A text of a given form."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: object) -> str:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            raise refuse(f"{words.shown(value)} is no {noun}", f"such as {example}")
        return value

    return PlainValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


class Also:
    """Marks a field that takes another form too: `read` turns it into the first, `schema` describes it to editors."""

    def __init__(self, read: Callable[[Any], Any], schema: Callable[[JsonSchemaValue], JsonSchemaValue]) -> None:
        self._read = read
        self._schema = schema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        return {"anyOf": [self._schema(schema), schema]}


def _as_list(value: Any) -> Any:
    return value if isinstance(value, (list, dict)) or value is None else [value]


ALSO_ONE = Also(_as_list, lambda schema: schema["items"])  # one value where several may stand
ALSO_NONE = Also(lambda value: None if value == "none" else value, lambda _: {"const": "none"})
ALSO_NOTHING = Also(lambda value: [] if value is None else value, lambda _: {"type": "null"})  # a section without items


def _reference(kind: str, *, outside: bool = False) -> PlainValidator:
    def check(value: object, info: ValidationInfo) -> str:
        names: frozenset[str] | None = getattr(info.context, {"entry": "entries"}.get(kind, f"{kind}s"), None)
        if not isinstance(value, str):
            raise refuse(f"{words.shown(value)} is no name of {_article(kind)}", words.offered(sorted(names or ())))
        valid = None if names is None else names | {OUTSIDE} if outside else names
        if valid is not None and value not in valid:
            raise refuse(f"{kind} {words.shown(value)} does not exist", words.hint(value, valid))
        return value

    return PlainValidator(check)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


RegionRef = Annotated[str, _reference("region"), _NAME_SCHEMA]
PlaceRef = Annotated[str, _reference("region", outside=True), _NAME_SCHEMA]  # a region, or `outside`
NodeRef = Annotated[str, _reference("node"), _NAME_SCHEMA]
EntryRef = Annotated[str, _reference("entry"), _NAME_SCHEMA]
ServiceRef = Annotated[str, _reference("service"), _NAME_SCHEMA]


# --- models ----------------------------------------------------------------------------------------------------------


class Model(BaseModel):
    """A mapping with known keys. `short` names the key that a value written without a mapping stands for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    short: ClassVar[str | None] = None
    empty: ClassVar[bool] = False  # null means a mapping without keys

    @classmethod
    def keys(cls) -> list[str]:
        """The words that may stand as keys."""
        return [info.alias or name for name, info in cls.model_fields.items()]

    @classmethod
    def written(cls, value: Any) -> dict[str, Any]:
        """The mapping that a value stands for; raises what `refuse` makes."""
        if isinstance(value, dict):
            return value
        if value is None and cls.empty:
            return {}
        if cls.short is not None and value is not None:
            return {cls.short: value}
        raise refuse(f"{a_value(value)} stands where keys are expected", words.offered(cls.keys()), at_key=True)

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        return value if isinstance(value, cls) else cls.reading(value, handler, info)

    @classmethod
    def reading(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:  # noqa: ARG003  Step's needs it
        """Read a value into a model, reporting unknown keys together with wrong values."""
        mapping = cls.written(value)
        valid = cls.keys()
        found = [unknown_key(key, mapping[key], valid) for key in mapping if key not in valid]
        try:
            model = handler({key: mapping[key] for key in valid if key in mapping})
        except ValidationError as error:
            raise merged(cls.__name__, [*found, *carried(error)]) from None
        if found:
            raise merged(cls.__name__, found)
        return model

    @classmethod
    def shaped(cls, body: JsonSchemaValue) -> JsonSchemaValue:
        """The JSON Schema of every form that a value may have, given that of the mapping."""
        body = body | {"additionalProperties": False}
        forms: list[JsonSchemaValue] = [body["properties"][cls.short]] if cls.short else []
        forms += [{"type": "null"}] if cls.empty else []
        return {"anyOf": [*forms, body]} if forms else body

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        body = handler.resolve_ref_schema(schema)
        shaped = cls.shaped(dict(body))
        body.clear()
        body.update(shaped)
        return schema


def unknown_key(key: str, value: Any, valid: Iterable[str]) -> InitErrorDetails:
    """The error for a key that means nothing here."""
    error = refuse(f"unknown key {words.shown(key)}", words.hint(key, valid), at_key=True, unknown=True)
    return InitErrorDetails(type=error, loc=(key,), input=value)


def merged(title: str, found: list[InitErrorDetails]) -> ValidationError:
    """Several errors as one exception, for a validator to raise; pydantic puts them into its own list."""
    return ValidationError.from_exception_data(title, found)


def carried(error: ValidationError, *before: str | int) -> list[InitErrorDetails]:
    """The errors of an inner validation, in our words, to be raised by an outer one under `before`."""
    return [
        InitErrorDetails(type=_worded(details), loc=(*before, *details["loc"]), input=details["input"])
        for details in error.errors(include_url=False)
    ]


def _worded(details: ErrorDetails) -> PydanticCustomError:
    context = details.get("ctx", {})
    if details["type"] == "drills":
        return refuse(context["what"], context["hint"], at_key=context["at_key"], unknown=context["unknown"])
    value = details["input"]
    match details["type"]:
        case "missing":
            what, hint = f"key {words.shown(details['loc'][-1])} is missing", ""
        case "list_type":
            what, hint = f"{a_value(value)} stands where a list is expected", "write [ … ], or one item a line with `-`"
        case "dict_type":
            what, hint = f"{a_value(value)} stands where names are expected", "write `NAME: {…}`, one a line"
        case "too_long":
            what, hint = f"more than {context.get('max_length')} items", ""
        case "too_short":
            what, hint = "there is nothing in it", f"at least {context.get('min_length')} are needed"
        case _:
            what, hint = details["msg"], ""
    return refuse(what, hint, at_key=True)


def a_value(value: Any) -> str:
    """Say what stands where something else was expected."""
    return "nothing" if value is None else words.shown(value)


def problems(error: ValidationError, root: tree.Node) -> list[Problem]:
    """What pydantic found, each at its place in the tree."""
    found = []
    for details in error.errors(include_url=False):
        context = _worded(details).context or {}
        at_key = bool(context["at_key"]) or "[key]" in details["loc"]
        found.append(tree.locate(root, details["loc"], key=at_key).problem(context["what"], context["hint"]))
    return found


def locations(error: ValidationError) -> list[tuple[tree.Steps, bool]]:
    """Where pydantic found something, and whether that is only a key that means nothing there."""
    return [
        (details["loc"], bool((details.get("ctx") or {}).get("unknown"))) for details in error.errors(include_url=False)
    ]
