"""Tests are held against the package as it is installed; helpers of the tests come from the checkout, behind it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
