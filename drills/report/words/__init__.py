"""The words of a report: one file per language, each a flat table from key to text.

English is complete and is the fallback, key by key, so that a language may begin with the verdict and grow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drills.report.text import NAME_CHARS, Clean, clean
from drills.report.words import en, ko

LANGUAGES: dict[str, Mapping[str, str]] = {"en": en.WORDS, "ko": ko.WORDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one language; called with a key and what its text has places for."""

    lang: str
    table: Mapping[str, str]

    def __call__(self, key: str, /, **places: object) -> str:
        """Text of a key. An unknown key is a defect of ours and raises KeyError."""
        text = self.table.get(key) or en.WORDS[key]
        return text.format(**places) if places else text

    def has(self, key: str) -> bool:
        """Whether a key is known, for words that come from evidence, such as an action's name."""
        return key in self.table or key in en.WORDS

    def of(self, group: str, word: object) -> str:
        """Text of a word from evidence; a word that this version does not know is shown as it is."""
        if isinstance(word, str) and self.has(key := f"{group}.{word}"):
            return Clean(self(key))
        return clean(str(word)[:NAME_CHARS].replace("_", " "))


def load(lang: str) -> Words:
    """Words of a language; unknown languages raise KeyError with those that exist."""
    if lang not in LANGUAGES:
        raise KeyError(f"no words for language {lang!r}; known: {', '.join(sorted(LANGUAGES))}")
    return Words(lang=lang, table=LANGUAGES[lang])
