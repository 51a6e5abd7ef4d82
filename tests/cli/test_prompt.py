import contextlib
import io
import os
import pty
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

import pytest

from drills.cli.prompt import TerminalPrompter
from tests.cli.scripted import HOSTILE

if TYPE_CHECKING:
    from drills.cli.display import Display


class FakeDisplay:
    """A display that only counts its pauses."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.pauses = 0

    @contextlib.contextmanager
    def paused(self) -> Iterator[TextIO]:
        """Give the stream away."""
        self.pauses += 1
        yield self.stream


def asked(typed: str, instruction: str = "Call the operator", role: str | None = None) -> tuple[bool | None, str]:
    """Ask with these answers typed; the answer and what was shown."""
    display = FakeDisplay()
    prompter = TerminalPrompter(cast("Display", display), io.StringIO(typed))
    return prompter.confirm(instruction, role, within_s=5.0), display.stream.getvalue()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("y\n", True),
        ("YES\n", True),
        ("예\n", True),
        ("\n\nmaybe\ny\n", True),
        ("n\n", False),
        ("아니오\n", False),
        ("", None),
        ("\n", None),
    ],
)
def test_only_a_word_confirms(typed: str, *, expected: bool | None) -> None:
    """Enter alone asks again; the end of input is nobody's decision."""
    assert asked(typed)[0] is expected


def test_the_question_names_the_role_and_is_harmless() -> None:
    """Role and instruction are text; what declining means is said before the answer."""
    _, shown = asked("y\n", f"Line one\n{HOSTILE}", f"duty{HOSTILE}")
    assert "\x1b" not in shown
    assert r"duty\x1b[31m" in shown
    assert "    Line one\n" in shown
    assert "To decline ends the drill" in shown


def test_a_signal_declines_a_question_that_waits_in_a_thread() -> None:
    """When the drill is stopped, a question of a step that runs together with others does not keep it from ending."""
    master, slave = pty.openpty()
    display: Any = FakeDisplay()
    answers: list[bool | None] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with os.fdopen(slave) as terminal:
            prompter = TerminalPrompter(display, terminal)
            with prompter.listening():
                thread = threading.Thread(target=lambda: answers.append(prompter.confirm("Wait", None, within_s=30.0)))
                thread.start()
                deadline = time.monotonic() + 5
                while not display.pauses and time.monotonic() < deadline:
                    time.sleep(0.01)
                signal.raise_signal(signal.SIGUSR1)
                thread.join(5)
                assert answers == [False]
                assert prompter.confirm("The next one", None, within_s=30.0) is False
    finally:
        signal.signal(signal.SIGUSR1, before)
        os.close(master)


def test_nobody_answers_in_time() -> None:
    """The step's timeout ends the question without an answer, which is no decision."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as terminal:
        prompter = TerminalPrompter(cast("Display", FakeDisplay()), terminal)
        assert prompter.confirm("Wait", None, within_s=0.05) is None
    os.close(master)
