"""The label loop in one piece: real widgets, mouse and keys in a real window, and real training."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.learns

SCRIPT = Path(__file__).parents[2] / "docs" / "label_loop.py"
SECONDS_TO_LEARN = 5


def test_the_loop_goes_round_in_a_real_window_and_back_to_the_first_version_bit_for_bit(tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(SECONDS_TO_LEARN)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert [line.split(",")[0] for line in told["versions"]] == ["1 actis learned", "2 actis learned", "3 actis kept"]
    assert len(list(tmp_path.glob("*.png"))) == 3
