"""Commands, options and help. Nothing heavy is imported here, so that `drills --help` answers at once."""

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from drills import __version__
from drills.cli import output
from drills.errors import Exit

OVERVIEW = """Disaster-recovery drills that measure what really happened.

Brings up a staging replica of a system, puts load on it, takes a region away or breaks the network, carries
out the recovery, and measures how long clients were without service (RTO) and which acknowledged writes are gone
(RPO), each as an interval with its error. The evidence can be recomputed by anyone.

\b
Start here:
  drills list                       scenarios that are shipped
  drills plan region-outage         what would happen; touches nothing
  drills run region-outage          the drill, about half a minute
  drills verify reports/<folder>    recompute every figure from the evidence
"""

EXITS = """\b
Exit codes:
  0  passed, or done
  1  failed; only a verdict gives this code
  2  inconclusive or invalid
  3  refused: an option, a file, safety; nothing was started
  4  aborted, or an internal error; everything was undone
  6  the evidence does not verify
  7  something was left behind; run drills clean

Set DRILLS_DEBUG=1 to see where an error came from. NO_COLOR=1 gives plain lines instead of the live display.
"""

app = typer.Typer(
    name="drills",
    help=OVERVIEW,
    epilog=EXITS,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class Purpose(enum.StrEnum):
    """Why a drill is run; committed before the start."""

    OFFICIAL = "official"
    REHEARSAL = "rehearsal"
    CI = "ci"


class Document(enum.StrEnum):
    """Which file a schema describes."""

    SCENARIO = "scenario"
    REPLICA = "replica"


Scenario = Annotated[str, typer.Argument(metavar="SCENARIO", help="A shipped scenario's name, or a path.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a run.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the scenario; it is in the plan. Repeatable."),
]


def command() -> Any:
    """Build the click command behind the app; what stands for a mark in a docstring becomes the mark itself."""
    group: Any = typer.main.get_command(app)
    for each in group.commands.values():
        each.help = each.help.replace(r"\b", "\b")
    return group


def _version(wanted: bool) -> None:  # noqa: FBT001 typer calls it so
    if wanted:
        output.say(f"drills {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def overview(
    context: typer.Context,
    *,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> int:
    """Without a command: print the help."""
    if context.invoked_subcommand is None:
        output.say(context.get_help())
        # A pipeline whose variable was empty has not drilled anything: that must not look passed.
        raise typer.Exit(Exit.REFUSED)
    return Exit.PASSED


@app.command("list")
def list_(*, json: Json = False) -> int:
    r"""List the shipped scenarios: title, objectives, expected verdict.

    \b
    Examples:
      drills list
      drills list --json
    """
    from drills.cli import commands

    return commands.list_scenarios(as_json=json)


@app.command(short_help="Check scenario and replica files; starts nothing.")
def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Scenarios or replicas: paths or shipped names.")],
    *,
    json: Json = False,
) -> int:
    r"""Check scenario and replica files; starts nothing.

    Every problem is named with file, line, column and the nearest valid word. Exits 0 if there is none, else 3.

    \b
    Examples:
      drills validate drills/*.yaml
      drills validate region-outage --json
    """
    from drills.cli import commands

    return commands.validate(files, as_json=json)


@app.command(short_help="Print what a drill would do; touches nothing.")
def plan(scenario: Scenario, *, overrides: Overrides = None, json: Json = False) -> int:
    r"""Print what a drill would do: every step with the targets it resolves to; touches nothing.

    The plan's hash is the drill's identity: what is approved, gated and compared.

    \b
    Examples:
      drills plan region-outage
      drills plan region-outage --set objectives.rto=10s
      drills plan ./my-drill.yaml --json
    """
    from drills.cli import commands

    return commands.plan(scenario, overrides or [], as_json=json)


@app.command()
def run(  # noqa: PLR0913 each is an option
    scenario: Scenario,
    *,
    reports: Annotated[
        Path, typer.Option(metavar="DIR", help="The register: where the run's folder is made.", file_okay=False)
    ] = Path("reports"),
    overrides: Overrides = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Seed of what is drawn at random; drawn itself by default.")
    ] = None,
    purpose: Annotated[Purpose, typer.Option(help="Why the drill is run.")] = Purpose.REHEARSAL,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the nodes' data and logs afterwards.")] = False,
    unattended: Annotated[
        bool,
        typer.Option("--unattended", help="Ask nobody: people are simulated, and the report says so."),
    ] = False,
    expected: Annotated[
        bool,
        typer.Option("--expected", help="Exit 0 if the outcome is what the scenario expects, such as a planted loss."),
    ] = False,
    json: Json = False,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the report in a browser on a desktop.")
    ] = False,
) -> int:
    r"""Run a drill and measure it.

    Shows a live display on a terminal and timestamped lines elsewhere. Ctrl-C undoes everything, keeps the evidence
    and exits 4. With --json the result is on stdout and the progress on stderr.

    \b
    Examples:
      drills run region-outage
      drills run region-outage --set objectives.rto=10s --seed 7
      drills run ./my-drill.yaml --purpose official --reports /srv/register
      drills run region-outage-lagging --expected --unattended --json > result.json

    \b
    Exit codes:
      0  passed (with --expected: as expected)   4  aborted or internal error, undone
      1  failed                                  7  something was left behind
      2  inconclusive or invalid
      3  refused; nothing was injected
    """
    from drills.cli import commands

    return commands.run(
        commands.RunRequest(
            scenario=scenario,
            reports=reports,
            overrides=tuple(overrides or ()),
            seed=seed,
            purpose=purpose.value,
            keep=keep,
            unattended=unattended,
            expected=expected,
            as_json=json,
            open_report=not no_open,
        )
    )


@app.command(short_help="Check evidence and recompute every figure from it.")
def verify(
    folder: Folder,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Print every figure, not only the main ones.")] = False,
    json: Json = False,
) -> int:
    r"""Check evidence and recompute every figure from it; stored and recomputed stand side by side.

    Needs the folder and nothing else: no network, no database. Exits 0 if it verifies, whatever the drill's verdict,
    and 6 if it does not.

    \b
    Examples:
      drills verify reports/20261121T193000Z-region-outage-4F8Q3K9Z
      drills verify 20261121T193000Z-region-outage-4F8Q3K9Z --all
    """
    from drills.cli import commands

    return commands.verify(folder, everything=everything, as_json=json)


@app.command(short_help="Render the reports of a run again.")
def report(
    folder: Folder,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write here instead of beside the evidence.", file_okay=False)
    ] = None,
    json: Json = False,
) -> int:
    r"""Render the reports of a run again from its sealed evidence: report.html, summary.md, junit.xml.

    \b
    Examples:
      drills report reports/20261121T193000Z-region-outage-4F8Q3K9Z
      drills report reports/20261121T193000Z-region-outage-4F8Q3K9Z --out /tmp/again
    """
    from drills.cli import commands

    return commands.report(folder, out, as_json=json)


@app.command(short_help="Remove what dead drills left behind.")
def clean(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    json: Json = False,
) -> int:
    r"""Remove what dead drills left behind: processes, proxies, directories; their evidence is sealed as aborted.

    A drill that still runs is not touched. Exits 7 if something is still there afterwards.

    \b
    Examples:
      drills clean --dry-run
      drills clean
    """
    from drills.cli import commands

    return commands.clean(dry_run=dry_run, as_json=json)


@app.command()
def schema(
    which: Annotated[Document, typer.Argument(metavar="[scenario|replica]", help="Which file.")] = Document.SCENARIO,
) -> int:
    r"""Print the JSON Schema of a scenario or a replica, for an editor.

    \b
    Examples:
      drills schema > scenario.schema.json
      drills schema replica > replica.schema.json

    \b
    Then name it in the first line of a file:
      # yaml-language-server: $schema=scenario.schema.json
    """
    from drills.cli import commands

    return commands.schema(which.value)
