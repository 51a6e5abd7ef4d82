"""A person at the terminal confirms a step, while the live display pauses."""

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from drills.cli.display import Display
from drills.cli.words import safe

YES = frozenset({"y", "yes", "done", "예", "네"})
NO = frozenset({"n", "no", "아니오", "아니요"})
LINES_MAX = 40


class TerminalPrompter:
    """Asks on the display's stream and reads from the terminal (drills.runner.contract.Prompter)."""

    def __init__(self, display: Display, answers: TextIO | None = None) -> None:
        self._display = display
        self._answers = sys.stdin if answers is None else answers
        self._one_at_a_time = threading.Lock()  # steps that run together may ask together
        self._cancelled, self._cancel = os.pipe()
        os.set_blocking(self._cancel, False)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Let a signal end every question, asked or to come, as declined.

        The runner's handler raises in the main thread; a question of a step that runs together with others waits in
        another, which would keep the drill from ending. Only the main thread may enter; the pipe is closed after.
        """
        before = signal.set_wakeup_fd(self._cancel, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.close(self._cancelled)
            os.close(self._cancel)

    def confirm(self, instruction: str, role: str | None) -> bool:
        """Show an instruction until it is answered with yes or no; the end of input is no.

        Enter alone is no answer: what was typed before the question came must not confirm it.
        """
        with self._one_at_a_time, self._display.paused() as stream:
            who = safe(role, 80) if role else "the person at this terminal"
            stream.write(f"\nThe drill waits for {who}. The stopwatch goes on.\n\n")
            for line in str(instruction).splitlines()[:LINES_MAX]:
                stream.write(f"    {safe(line)}\n")
            stream.write("\nType y when this is done or approved, n to decline. To decline ends the drill.\n")
            self._forget_typed()
            while True:
                stream.write("y or n, then Enter: ")
                stream.flush()
                answer = self._line()
                word = answer.strip().lower()
                if not answer or word in NO:
                    return False
                if word in YES:
                    return True

    def _line(self) -> str:
        """Read a line, or nothing when the input ends or a signal came."""
        try:
            descriptor = self._answers.fileno()
        except (OSError, ValueError):
            return self._answers.readline()
        ready, _, _ = select.select([descriptor, self._cancelled], [], [])
        return "" if self._cancelled in ready else self._answers.readline()

    def _forget_typed(self) -> None:
        import termios

        with contextlib.suppress(termios.error, OSError, ValueError):
            termios.tcflush(self._answers.fileno(), termios.TCIFLUSH)
