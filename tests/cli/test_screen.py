import pytest
from rich.cells import cell_len

from drills.cli.display import snapshot_svg
from drills.cli.progress import Progress
from drills.cli.screen import draw
from tests.cli.scripted import HOSTILE, S, event, events, plan, step, tallies


def seen(until_s: float = 9, **changes: object) -> Progress:
    """A display's knowledge of the scripted drill."""
    progress = Progress(plan(**changes))
    for told in events():
        progress.event(told)
    for tally in tallies([(5, 6.7)], until_s):
        progress.tally(tally)
    return progress


def text(progress: Progress, now_s: float = 9, width: int = 100, height: int = 35) -> str:
    """The screen as one string."""
    return "\n".join(line.plain.rstrip() for line in draw(progress, round(now_s * S), width, height))


@pytest.mark.parametrize("width", [1, 10, 20, 40, 59, 60, 80, 100, 240])
@pytest.mark.parametrize("height", [1, 2, 3, 6, 10, 14, 18, 24, 35, 80])
@pytest.mark.parametrize("begun", [False, True])
def test_the_screen_never_exceeds_its_size(width: int, height: int, *, begun: bool) -> None:
    """Whatever the terminal, no line wraps and nothing scrolls; Korean is two cells wide."""
    title = {"en": "주 리전 전면 장애 " * 20}
    progress = seen(title=title) if begun else Progress(plan(title=title))
    lines = draw(progress, 9 * S, width, height)
    assert len(lines) <= height
    assert max(cell_len(line.plain) for line in lines) <= width


def test_eighty_columns_show_everything_that_matters() -> None:
    """Phase, stopwatch, targets, rates, current step and events are there at 80 by 24."""
    screen = text(seen(), width=80, height=24)
    for wanted in (
        "✓ disruption",
        "RTO target",
        "15 s",
        "RPO target",
        "good",
        "bad",
        "/s",
        "steps,",
        "events",
        "together",
    ):
        assert wanted in screen


def test_figures_appear_as_they_become_known() -> None:
    """Marks are offsets from the fault with their error; the recovery is called provisional."""
    screen = text(seen())
    for wanted in (
        "detected          +0.970 to 1.000 s",
        "clients are served again (provisional)",
        "about +1.7 s",
        "12,345 markers",
    ):
        assert wanted in screen


def test_the_stopwatch_runs_while_clients_are_down() -> None:
    """1.5 s into the outage it shows 1.5 s and says what it means."""
    screen = text(seen(until_s=6.5), now_s=6.5, height=10)
    assert "0:01.5 clients without service" in screen


def test_beyond_the_target_the_screen_says_so() -> None:
    """Not by colour alone."""
    progress = seen(until_s=6.5)
    assert "beyond the target" in text(progress, now_s=25, height=10)


def test_a_spark_shows_a_single_bad_operation() -> None:
    """One bad beside a thousand good is one visible bar."""
    progress = Progress(plan())
    for tally in tallies([], 2):
        progress.tally(
            type(tally)(t_ns=tally.t_ns, good_per_s=1000, bad_per_s=1, total_good=1, total_bad=1, history=((1000, 1),))
        )
    bad = next(line for line in text(progress).splitlines() if line.startswith(" bad"))
    assert "▁" in bad


def test_ascii_is_ascii() -> None:
    """A terminal without UTF-8 gets no character that it cannot show, apart from what the scenario says."""
    lines = draw(seen(), 9 * S, 100, 35, plain_ascii=True)
    assert "".join(line.plain for line in lines).isascii()


def test_hostile_titles_stay_text() -> None:
    """Neither control sequences nor markup of a scenario are interpreted."""
    phases = {**plan()["phases"], "recovery": {"for_ns": None, "steps": [step("recovery.1", "run", command=[HOSTILE])]}}
    progress = seen(title={"en": HOSTILE}, drill=HOSTILE, phases=phases)
    progress.event(event(1, "run.ended", status="aborted", reason=HOSTILE))
    lines = draw(progress, 9 * S, 120, 40)
    assert "".join(line.plain for line in lines).isprintable()
    assert "[bold]red[/bold]" in lines[0].plain


def test_the_list_of_steps_follows_the_current_one() -> None:
    """With twenty steps and few lines, the step that runs is in sight."""
    steps = [step(f"recovery.{number}", "wait", for_ns=number * S) for number in range(1, 21)]
    progress = Progress(plan(phases={"recovery": {"for_ns": None, "steps": steps}}))
    common = {"id": "recovery.15", "phase": "recovery", "name": None, "action": "wait", "by": None}
    progress.event(event(S, "step.started", **common))
    screen = text(progress, now_s=3, height=24)
    assert "▶ wait 15 s" in screen


def test_a_snapshot_asks_for_nothing_from_outside() -> None:
    """The picture for a README loads no font."""
    picture = snapshot_svg(seen(), 9 * S)
    assert picture.startswith("<svg")
    assert "@font-face" not in picture
    assert "cdn" not in picture
