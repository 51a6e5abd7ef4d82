import pytest

from drills.cli import words
from tests.cli.scripted import HOSTILE, S


def test_hostile_text_becomes_one_harmless_line() -> None:
    """No control, no direction mark and no line break reaches a terminal; what was there is shown."""
    assert words.safe(HOSTILE) == r"\x1b[31m[bold]red[/bold]\x07\u202etxt end"


def test_every_character_is_harmless_or_itself() -> None:
    """Over the whole of Unicode, what comes out is printable."""
    for start in range(0, 0x110000, 4096):
        chunk = "".join(map(chr, range(start, min(start + 4096, 0x110000))))
        assert words.safe(chunk, 100_000).isprintable()


def test_a_megabyte_is_cut() -> None:
    """A title of a megabyte is cut to its limit."""
    assert len(words.safe("x" * 1_000_000)) == 400


def test_korean_is_left_alone() -> None:
    """Hangul is text like any other."""
    assert words.safe("주 리전 전면 장애") == "주 리전 전면 장애"


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (1.2001, 1.3002, "1.200 to 1.301 s"),
        (0, 0, "0 s"),
        (0, 0.0001, "0.000 to 0.001 s"),
        (1.5, 1.5, "1.500 s"),
        (59.9999, None, "more than 59.999 s"),
        (None, None, "not measured"),
        (14.9991, 15.0000001, "14.999 to 15.001 s"),
        (0.1, 0.3, "0.100 to 0.300 s"),
    ],
)
def test_an_interval_is_widened_and_never_rounded_towards_a_pass(
    lower: float | None, upper: float | None, expected: str
) -> None:
    """The lower end is rounded down, the upper end up."""
    assert expected == words.interval(lower, upper)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(15, "15 s"), (0.25, "0.25 s"), (120, "2 min"), (0, "0 s"), (90, "90 s")]
)
def test_a_declared_duration_reads_as_it_was_declared(seconds: float, expected: str) -> None:
    """No digits are added."""
    assert expected == words.exact(seconds)


def test_an_offset_carries_the_error_of_both_ends() -> None:
    """[6 s, 6.1 s] after a fault in [5 s, 5.01 s] is 0.99 to 1.1 s later."""
    assert words.offset([6 * S, 61 * S // 10], [5 * S, 501 * S // 100]) == "+0.990 to 1.100 s"


def test_an_offset_without_a_fault_is_empty() -> None:
    """Before the fault there is nothing to count from."""
    assert words.offset([1, 2], None) == ""


@pytest.mark.parametrize(
    ("elapsed", "expected"), [(0, "0:00.0"), (3 * S + S // 4, "0:03.2"), (-5, "0:00.0"), (754 * S, "12:34.0")]
)
def test_the_stopwatch_shows_tenths(elapsed: int, expected: str) -> None:
    """Minutes, seconds, tenths; never more than has passed."""
    assert expected == words.stopwatch(elapsed)


def test_a_title_follows_the_language_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Korean environment reads Korean, any other English."""
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    korean = words.localised({"en": "Loss", "ko": "장애"})
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    assert (korean, words.localised({"en": "Loss", "ko": "장애"})) == ("장애", "Loss")
