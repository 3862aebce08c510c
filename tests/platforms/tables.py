"""Tables of outcomes: for the terminal, and of platforms for README."""

from platforms.outcome import Outcome

BY_READING = ("macOS on Apple processors", "Windows on x86-64")
NAMES = {"Linux x86_64": "Linux on x86-64", "Linux aarch64": "Linux on ARM", "Darwin arm64": BY_READING[0]}
NAMES |= {"Windows AMD64": BY_READING[1]}


HEADER = f"{'leg':14}{'passed':>8}{'skipped':>9}{'failed':>8}  seconds, or the reason"


def row(leg: Outcome) -> str:
    """The line of a leg."""
    told = leg.reason if leg.reason else f"{leg.seconds:.0f}"
    return f"{leg.name:14}{leg.passed:>8}{leg.skipped:>9}{leg.failed:>8}  {told}"


def markdown(found: list[Outcome]) -> str:
    """A row for each platform: tested, emulated or by reading."""
    rows: dict[str, str] = {}
    for host in dict.fromkeys(leg.host for leg in found):
        legs = [leg for leg in found if leg.host == host and leg.passed and not leg.failed and not leg.is_emulated]
        if legs:
            rows[NAMES.get(host, host)] = "tested: " + ", ".join(leg.name for leg in legs)
    for leg in found:
        if leg.is_emulated and leg.passed and not leg.failed:
            rows.setdefault(NAMES.get(f"Linux {leg.name}", leg.name), f"emulated: {leg.passed} tests of the kernels")
    for name in BY_READING:
        rows.setdefault(name, "by reading the code and simulating in tests")
    return "\n".join(["| platform | how it is checked |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows.items())])
