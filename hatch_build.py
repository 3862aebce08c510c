"""The page of the package: README.md with absolute addresses, because a package index shows no files beside it."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)]+)\)")


def absolute(text: str, source: str, version: str) -> str:
    """The Markdown with links and pictures led to the files of the version in the repository at ``source``."""
    revision = "HEAD" if "dev" in version else f"v{version}"
    return RELATIVE.sub(
        lambda link: f"{link[1]}[{link[2]}]({source}/{'raw' if link[1] else 'blob'}/{revision}/{link[3]})", text
    )


class PageOfTheIndex(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme of the metadata."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        page = absolute(text, metadata["urls"]["Source"], metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": page}
