"""The committed example is a real run that anybody can verify, and the README's pictures exist."""

import re
from pathlib import Path

from drills.audit import audit
from drills.evidence.bundle import Folder

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "reports" / "example"


def test_the_example_verifies() -> None:
    """Hashes, chain, every figure and the verdict; its reports are what this version renders."""
    found = audit(EXAMPLE)
    assert found.ok, found
    assert {"same"} == {str(rendered.state) for rendered in found.rendered}


def test_the_example_is_small_and_passed() -> None:
    """A reader of the repository opens a real, passed region outage."""
    result = Folder(EXAMPLE).result
    assert result is not None
    assert ("region-outage", "passed") == (result["drill"], result["verdict"])
    assert (EXAMPLE / "operations.parquet").stat().st_size < 2_000_000


def test_the_pictures_of_the_readme_exist() -> None:
    """No broken picture on the first page."""
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert 2 == len(pictures)
    assert [] == [picture for picture in pictures if not (ROOT / picture).is_file()]
