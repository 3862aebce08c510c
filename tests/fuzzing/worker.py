"""A process that makes inputs, reads them, and says what came of it: a line of JSON for each line that asks."""

import json
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

from fastnet.errors import DataError
from fuzzing.formats import FORMATS, make, write

ADDRESS_SPACE = 2 << 30  # bytes more than at the start: what is far beyond all limits ends as a MemoryError
NO_MEMORY = "does not fit into the memory of this machine"


def outcome(name: str, path: Path, folder: Path) -> tuple[str, str]:
    """("loaded" | "refused" | "failed", the message) of reading an input."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            FORMATS[name].read(path)
        except DataError as error:
            told = str(error)
            fine = told.startswith(str(folder)) and told.isprintable() and NO_MEMORY not in told
            return ("refused" if fine else "failed"), told
        except BaseException as error:
            return "failed", f"{type(error).__name__}: {error}"
    return "loaded", ""


def limit_memory() -> None:
    """Let allocations fail that are far beyond what any input may take."""
    if sys.platform.startswith("linux"):
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE, used + ADDRESS_SPACE))


def memory(what: str) -> int:
    """Bytes of this process: VmRSS now, or VmHWM at most since `forget`. 0 where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def forget() -> None:
    """Begin to look for the largest memory anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def run(name: str, seed: int, index: int, folder: Path) -> dict:
    """What came of an input: outcome, message, CPU seconds, bytes taken, and bytes of its files."""
    files = make(name, seed, index)
    path, size = write(name, files, folder), sum(map(len, files.values()))
    del files
    forget()
    before, start = memory("VmRSS"), time.process_time()
    what, told = outcome(name, path, folder)
    seconds = time.process_time() - start
    return {"what": what, "told": told[:300], "seconds": seconds, "memory": memory("VmHWM") - before, "size": size}


def main() -> None:
    """Answer until there is nothing more to read."""
    import PIL.Image  # noqa: F401 - imported before memory is measured

    limit_memory()
    for line in sys.stdin:
        name, seed, index = line.split()
        folder = Path(tempfile.mkdtemp(prefix="fastnet-fuzz-"))
        try:
            print(json.dumps(run(name, int(seed), int(index), folder)), flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
