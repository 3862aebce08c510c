"""Why a leg cannot be run."""

import subprocess


class Skipped(Exception):
    """A leg cannot be run here; the text is the reason."""


def must_pass(command: list[str], reason: str) -> None:
    """Run a command; raises Skipped, with the last line that it printed, where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["it printed nothing"]
        raise Skipped(f"{reason}: {lines[-1][:120]}")
