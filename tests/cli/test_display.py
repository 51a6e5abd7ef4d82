import contextlib
import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drills.cli.display import LiveDisplay, PlainDisplay, is_rich
from drills.errors import Aborted
from tests.cli.scripted import HOSTILE, S, event, events, plan, tallies

ROOT = Path(__file__).parents[2]
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"
PREAMBLE = """
import sys, time
from drills.cli.display import choose
from drills.cli.prompt import TerminalPrompter
from tests.cli.scripted import event, events, plan, tallies
display = choose(plan(), sys.stdout)
def play():
    for told in events():
        display.event(told)
    for tally in tallies([(5, 6.7)], 9):
        display.tally(tally)
"""


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, script: str, *, columns: int = 100, lines: int = 35, **environment: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(columns, lines)
        self.output = b""
        environ = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **environment}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            if name not in environment:
                environ.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env=environ,
            start_new_session=True,
        )
        os.close(slave)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, wanted: bytes, within_s: float = 20) -> bytes:
        """Read until something appears."""
        deadline = time.monotonic() + within_s
        while wanted not in self.output:
            if not self._read(deadline - time.monotonic()):
                break
        assert wanted in self.output, self.output[-2000:]
        return self.output

    def end(self, within_s: float = 20) -> tuple[int, bytes]:
        """Wait for the end; the exit code and everything that was written."""
        deadline = time.monotonic() + within_s
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(within_s), self.output

    def _read(self, within_s: float) -> bool:
        if within_s <= 0 or not select.select([self.master], [], [], within_s)[0]:
            return False
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # the program closed its side
            return False
        self.output += chunk
        return bool(chunk)

    def close(self) -> None:
        """End the program if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.master)


@pytest.fixture
def terminal() -> Iterator[Any]:
    """Start programs in terminals; all are ended."""
    started: list[Terminal] = []

    def start(script: str, **options: Any) -> Terminal:
        started.append(Terminal(script, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()


def restored(output: bytes) -> bool:
    """Whether the last thing said about screen and cursor is that both are as they were."""
    return output.rfind(LEAVE) > output.rfind(ENTER) >= 0 and output.rfind(SHOW) > output.rfind(HIDE) >= 0


def test_a_live_drill_draws_and_restores_the_terminal(terminal: Any) -> None:
    """The full screen is entered, drawn, and left; what is printed afterwards stays."""
    shell = terminal("with display:\n    play()\n    time.sleep(0.5)\nprint('AFTER')")
    code, output = shell.end()
    assert code == 0
    assert restored(output)
    assert b"detected" in output
    assert output.rfind(b"AFTER") > output.rfind(LEAVE)


@pytest.mark.parametrize(
    "ending", ["raise RuntimeError('boom')", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 2)"]
)
def test_the_terminal_is_restored_whatever_happens(terminal: Any, ending: str) -> None:
    """An exception, an exit and Ctrl-C leave a terminal that can be typed into."""
    _, output = terminal(f"with display:\n    play()\n    time.sleep(0.3)\n    {ending}").end()
    assert restored(output)


def test_the_terminal_is_restored_when_nobody_closes_the_display(terminal: Any) -> None:
    """A display that was entered and forgotten is closed at exit."""
    _, output = terminal("display.__enter__()\nplay()\ntime.sleep(0.3)").end()
    assert restored(output)


def test_a_display_follows_the_size_of_its_terminal(terminal: Any) -> None:
    """After a resize the lines are as wide as the terminal is then."""
    shell = terminal("with display:\n    play()\n    time.sleep(3)", columns=120, lines=40)
    shell.until(b"events")
    shell.resize(80, 24)
    shell.output = b""
    shell.until(b"clients are served")
    shell.until("─\x1b[0m\r\n".encode())
    screen = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shell.output.split(b"\x1b[H")[-1]).decode(errors="replace")
    shell.end()
    assert max(len(line) for line in screen.split("\r\n")) <= 80


def test_a_terminal_that_is_gone_does_not_end_the_drill(terminal: Any, tmp_path: Path) -> None:
    """The window is closed in the middle: the drill goes on and ends as it would."""
    done = tmp_path / "done"
    shell = terminal(
        f"""
        import signal
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with display:
            play()
            time.sleep(1)
            display.event(event(1, 'run.ended', status='completed'))
        open({str(done)!r}, 'w').write('done')
        """
    )
    shell.until(b"events")
    os.close(shell.master)
    shell.process.wait(20)
    assert done.read_text() == "done"


def test_no_colour_and_dumb_terminals_get_plain_lines(terminal: Any) -> None:
    """NO_COLOR and TERM=dumb are respected: no control sequence at all."""
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, output = terminal("with display:\n    play()", **environment).end()
        assert b"\x1b" not in output
        assert b"detected at +0.970 to 1.000 s" in output


def test_a_question_pauses_the_display_and_is_answered(terminal: Any) -> None:
    """The full screen is left for the question and entered again after the answer; Enter alone is no answer."""
    shell = terminal(
        """
        with display:
            play()
            time.sleep(0.3)
            answer = TerminalPrompter(display).confirm('Call the operator\\x1b[31m', 'duty officer', within_s=30.0)
            time.sleep(0.3)
        print('ANSWER', answer)
        """
    )
    shell.until(b"y or n, then Enter: ")
    assert not shell.output.endswith(ENTER)
    os.write(shell.master, b"\n")
    time.sleep(0.2)
    os.write(shell.master, b"y\n")
    code, output = shell.end()
    assert (code, output.count(ENTER), output.count(LEAVE)) == (0, 2, 2)
    assert b"ANSWER True" in output
    assert b"duty officer" in output
    assert rb"Call the operator\x1b[31m" in output


def test_a_signal_during_a_question_gets_through(terminal: Any) -> None:
    """The runner's signal handler raises out of the question, and the terminal is restored."""
    shell = terminal(
        """
        import signal
        from drills.errors import Aborted
        def abort(*_):
            raise Aborted('stopped')
        signal.signal(signal.SIGINT, abort)
        try:
            with display:
                play()
                TerminalPrompter(display).confirm('Wait', None, within_s=30.0)
        except Aborted:
            print('ABORTED')
        """
    )
    shell.until(b"y or n, then Enter: ")
    os.kill(shell.process.pid, signal.SIGINT)
    _, output = shell.end()
    assert b"ABORTED" in output
    assert restored(output)


def test_a_signal_while_an_event_is_noted_is_not_lost() -> None:
    """An abort that is raised inside the display reaches the runner; a mistake of the display does not."""
    display = PlainDisplay(plan(), io.StringIO())

    def interrupted(_: object) -> None:
        raise Aborted("stopped by SIGINT")

    display.progress.event = interrupted  # type: ignore[assignment,method-assign]
    with pytest.raises(Aborted):
        display.event(event(1, "run.started"))

    def broken(_: object) -> None:
        raise ZeroDivisionError

    display.progress.event = broken  # type: ignore[assignment,method-assign]
    display.event(event(1, "run.started"))
    assert isinstance(display.trouble, ZeroDivisionError)


def test_plain_lines_are_stamped_and_harmless() -> None:
    """Each line has UTC and the run's time; hostile text is escaped."""
    stream = io.StringIO()
    with PlainDisplay(plan(), stream) as display:
        for told in [*events(), event(18 * S, "run.ended", status="aborted", reason=HOSTILE)]:
            display.event(told)
        for tally in tallies([], 11):
            display.tally(tally)
    lines = stream.getvalue().splitlines()
    assert "2026-11-21T19:30:00.123Z     6.000  detected at +0.970 to 1.000 s" in lines
    assert all(line.isprintable() for line in lines)
    assert len([line for line in lines if "clients: good" in line]) == 3


def test_a_reader_that_does_not_read_holds_nobody_up() -> None:
    """The runner's calls return although the pipe is full, and a closed one is no error."""
    read, write = os.pipe()
    with contextlib.suppress(BrokenPipeError), os.fdopen(write, "w") as stream, PlainDisplay(plan(), stream) as display:
        began = time.monotonic()
        for _ in range(200):
            for told in events():
                display.event(told)
        took_s = time.monotonic() - began
        os.close(read)
    assert took_s < 5


def test_events_from_several_threads_are_taken() -> None:
    """Looks and steps that run together write to the journal from threads of their own."""
    stream = io.StringIO()
    with PlainDisplay(plan(), stream) as display:

        def tell() -> None:
            for told in events():
                display.event(told)

        threads = [threading.Thread(target=tell) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert display.trouble is None
    assert stream.getvalue().count("replica up") == 8


def test_the_zero_of_the_run_is_the_earliest_guess() -> None:
    """An event that reaches the display late does not set its stopwatch back."""

    class Clock:
        now = 0

        def monotonic_ns(self) -> int:
            return self.now

    clock = Clock()
    display = LiveDisplay(plan(), io.StringIO(), clock)  # type: ignore[arg-type]
    for now_ns, t_ns in ((100 * S + 5, 0), (101 * S + 1, S), (110 * S, 2 * S)):
        clock.now = now_ns
        display.event(event(t_ns, "host.clock"))
    assert display._zero_ns == 100 * S + 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_a_terminal_is_drawn_on_only_if_it_can_and_may(environment: dict[str, str], *, expected: bool) -> None:
    """NO_COLOR counts when it is not empty, as its convention says."""

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert is_rich(Tty(), environment) is expected
    assert is_rich(io.StringIO(), environment) is False
