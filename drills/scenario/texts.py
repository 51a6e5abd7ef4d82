"""Texts for people, in English and Korean, and commands as lists of arguments."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from drills.scenario import words
from drills.scenario.fields import ITEMS_MAX, Line, LongText, Model, refuse


class _Text(Model):
    short: ClassVar[str | None] = "en"

    @model_validator(mode="after")
    def _said(self) -> Self:
        if not any(self.both().values()):
            raise refuse("the text is empty", "write a text, or {en: …, ko: …}", at_key=True)
        return self

    def both(self) -> dict[str, str]:
        """Each language, the other one standing in where it is missing."""
        en, ko = getattr(self, "en", None), getattr(self, "ko", None)
        return {"en": en or ko or "", "ko": ko or en or ""}


class Title(_Text):
    """A text for readers, in English and Korean; one text serves for both."""

    en: Line | None = None
    ko: Line | None = None


class Instruction(_Text):
    """What a person has to do, in English and Korean; one text serves for both."""

    en: LongText | None = None
    ko: LongText | None = None


def _arguments(value: Any) -> Any:
    if isinstance(value, str):
        split = ", ".join(value.split()[:4])
        raise refuse("a command is a list of arguments, not a line for a shell", f"write [{words.shown(split)[1:-1]}]")
    return value


Command = Annotated[list[LongText], BeforeValidator(_arguments), Field(min_length=1, max_length=ITEMS_MAX)]
