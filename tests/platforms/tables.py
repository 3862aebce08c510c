"""Tables of outcomes: for the terminal, and of platforms for README."""

from platforms.outcome import Outcome

BY_READING = ("macOS on Apple processors", "Windows on x86-64")
NAMES = {"Linux x86_64": "Linux on x86-64", "Linux aarch64": "Linux on ARM", "Darwin arm64": BY_READING[0]}
NAMES |= {"Windows AMD64": BY_READING[1]}
LABELS = {"layers": "threading layer {}", "dependencies": "{} dependencies"}  # of legs by their kind

HEADER = f"{'leg':14}{'passed':>8}{'skipped':>9}{'failed':>8}  seconds, or the reason"


def row(leg: Outcome) -> str:
    """The line of a leg."""
    told = leg.reason if leg.reason else f"{leg.seconds:.0f}"
    return f"{leg.name:14}{leg.passed:>8}{leg.skipped:>9}{leg.failed:>8}  {told}"


def markdown(found: list[Outcome]) -> str:
    """A row for each platform: tested, emulated or by reading, and the version and the days of the tests."""
    good = [leg for leg in found if leg.passed and not leg.failed]
    rows: dict[str, tuple[str, str]] = {}
    for host in dict.fromkeys(leg.host for leg in good):
        legs = [leg for leg in good if leg.host == host and not leg.is_emulated]
        if legs:
            rows[NAMES.get(host, host)] = "tested: " + ", ".join(map(_label, legs)), _when(legs)
    for leg in good:
        if leg.is_emulated:
            told = f"emulated: {leg.passed} tests of the kernels"
            rows.setdefault(NAMES.get(f"Linux {leg.name}", leg.name), (told, _when([leg])))
    for name in BY_READING:
        rows.setdefault(name, ("by reading the code and simulating in tests", ""))
    lines = [f"| {name} | {how} | {when} |" for name, (how, when) in rows.items()]
    return "\n".join(["| platform | how it is checked | version, day |", "|---|---|---|", *lines])


def _label(leg: Outcome) -> str:
    return LABELS.get(leg.kind, "{}").format(leg.name)


def _when(legs: list[Outcome]) -> str:
    """Versions of fastnet, and the first and the last day."""
    days = sorted(leg.day for leg in legs)
    return ", ".join([*sorted({leg.version for leg in legs}), " to ".join(dict.fromkeys((days[0], days[-1])))])
