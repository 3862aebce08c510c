"""What a release says of itself: one version, one address, tested minimums, a page without broken links."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

import fastnet

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]


@pytest.fixture(scope="module")
def metadata():
    """What hatchling makes of pyproject.toml."""
    plugins = pytest.importorskip("hatchling.plugin.manager")
    from hatchling.metadata.core import ProjectMetadata

    return ProjectMetadata(str(ROOT), plugins.PluginManager())


def test_version_is_that_of_the_code(metadata):
    assert metadata.version == fastnet.__version__
    assert "version" not in PROJECT
    assert "version:" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8").replace("cff-version:", "")


def test_page_of_the_index_has_absolute_addresses_of_files_that_exist(metadata):
    page = metadata.core.readme
    targets = re.findall(r"\]\(([^)#]+)\)", page)
    assert len(targets) > 3
    assert [target for target in targets if not target.startswith("https://")] == []
    files = re.findall(rf"{PROJECT['urls']['Source']}/(?:raw|blob)/[^/]+/([^)#]+)\)", page)
    assert "bench/results/sklearn.svg" in files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_links_of_the_page_lead_to_its_version(monkeypatch):
    pytest.importorskip("hatchling")
    monkeypatch.syspath_prepend(ROOT)
    from hatch_build import absolute

    text = "![a](a.svg) [b](b.md#c) [here](#d) [e](https://e.org)"
    assert absolute(text, "https://x", "1.2") == (
        "![a](https://x/raw/v1.2/a.svg) [b](https://x/blob/v1.2/b.md#c) [here](#d) [e](https://e.org)"
    )
    assert absolute("[b](b.md)", "https://x", "1.2.dev0") == "[b](https://x/blob/HEAD/b.md)"


def test_address_is_the_same_everywhere():
    source = PROJECT["urls"]["Source"]
    assert all(url.startswith(source) for url in PROJECT["urls"].values())
    for page in ("CITATION.cff", "SECURITY.md"):
        assert source in (ROOT / page).read_text(encoding="utf-8")


def release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_oldest_versions_are_those_that_are_required():
    """The constraints of tests/oldest.txt allow nothing newer than the minimums of pyproject.toml."""
    lines = (ROOT / "tests/oldest.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.lower().split("==") for line in lines if not line.startswith("#"))
    users = [*PROJECT["dependencies"], *(need for extra in set(EXTRAS) - {"release"} for need in EXTRAS[extra])]
    users = [need.partition(";")[0] for need in users if "== 'win32'" not in need]  # the list is for Linux
    required = dict(need.lower().split(">=") for need in users if not need.startswith("fastnet["))
    assert len(required) > 10
    for name, minimum in required.items():
        assert release(tested[name])[: len(release(minimum))] == release(minimum), name


def test_python_versions_are_those_of_the_checks():
    """Classifiers, the oldest Python and the table of the workflow name the same versions."""
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert re.search(r"python: \[(.*)\]", workflow)[1].replace('"', "").split(", ") == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_python_without_a_gil_is_told_once(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with pytest.warns(UserWarning, match="free-threaded Python is untested"):
        exec((ROOT / "fastnet/__init__.py").read_text(encoding="utf-8"), {"__name__": "fastnet"})
