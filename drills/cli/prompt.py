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
from drills.clock import NS_PER_S, SYSTEM

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

    def confirm(self, instruction: str, role: str | None, *, within_s: float) -> bool | None:
        """Show an instruction until it is answered with yes or no; None if no answer comes in time, or none can come.

        Enter alone is no answer: what was typed before the question came must not confirm it. A signal declines.
        """
        deadline_ns = SYSTEM.monotonic_ns() + int(within_s * NS_PER_S)
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
                answer = self._line(deadline_ns)
                word = (answer or "").strip().lower()
                if not answer:
                    stream.write("\nNo answer.\n" if answer is None else "")
                    return None if answer is None else False
                if word in NO:
                    return False
                if word in YES:
                    return True

    def _line(self, deadline_ns: int) -> str | None:
        """Read a line; "" when a signal came, None when the time is up or the input has ended."""
        try:
            descriptor = self._answers.fileno()
        except (OSError, ValueError):
            return self._answers.readline() or None
        left_s = max(0.0, (deadline_ns - SYSTEM.monotonic_ns()) / NS_PER_S)
        ready, _, _ = select.select([descriptor, self._cancelled], [], [], left_s)
        if self._cancelled in ready:
            return ""
        return (self._answers.readline() or None) if ready else None

    def _forget_typed(self) -> None:
        import termios

        with contextlib.suppress(termios.error, OSError, ValueError):
            termios.tcflush(self._answers.fileno(), termios.TCIFLUSH)
