"""The sets known by name: their files, published hashes, mirrors, and where they are looked for."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from fastnet.paths import cache_dir

SetName: TypeAlias = Literal["mnist", "fashion-mnist", "kmnist", "glyphs"]  # each has test rows


@dataclass(frozen=True)
class RemoteFile:
    """A file of a known set: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class KnownSet:
    """A set known by name. ``files``: train images, train labels, test images, test labels; none if it is built in."""

    name: str
    title: str
    licence: str
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]

    @property
    def folders(self) -> list[Path]:
        """The folders where the files are looked for, in this order."""
        given = os.environ.get("FASTNET_DATA")
        return [*([Path(given, self.name)] if given else []), cache_dir() / self.name]

    @property
    def found(self) -> Path | None:
        """The first of the folders that has a file of the set; None if there is none."""
        for folder in self.folders:
            if any(present(folder, file.name) for file in self.files):
                return folder
        return None


def present(folder: Path, name: str) -> Path | None:
    """The file of this name (``...-ubyte.gz``) in a folder: plain or .gz, with ``-idx`` or ``.idx`` in its name."""
    plain = name.removesuffix(".gz")
    for stem in (plain, plain.replace("-idx", ".idx")):
        for candidate in (folder / stem, folder / f"{stem}.gz"):
            if candidate.exists():
                return candidate
    return None


SYNTHETIC = "synthetic.txt"  # a file of this name beside IDX files says that fastnet drew them


def labels_beside(images: Path) -> Path | None:
    """The existing label file whose name corresponds to that of an image file: labels to images, y to X."""
    name = images.name.removesuffix(".gz")
    other = name.replace("images", "labels").replace("imgs", "labels").replace("idx3", "idx1")
    if re.match(r"[Xx][._\-0-9]", name):
        other = "y" + name[1:]
    if other == name:
        return None
    found = [path for path in (images.with_name(other), images.with_name(f"{other}.gz")) if path.exists()]
    return found[0] if found else None


def registry() -> list[KnownSet]:
    """All sets known by name."""
    return list(KNOWN.values())


FILE_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _files(*sizes_and_hashes: tuple[int, str]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(name, *rest) for name, rest in zip(FILE_NAMES, sizes_and_hashes, strict=True))


KNOWN = {
    known.name: known
    for known in (
        KnownSet(
            "mnist",
            "MNIST: handwritten digits",
            "CC BY-SA 3.0",
            _files(
                (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            ),
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
        ),
        KnownSet(
            "fashion-mnist",
            "Fashion-MNIST: clothes",
            "MIT",
            _files(
                (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
            ),
            (
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            ),
        ),
        KnownSet(
            "kmnist",
            "Kuzushiji-MNIST: cursive Japanese characters",
            "CC BY-SA 4.0",
            _files(
                (18165135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
                (29497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
                (3041136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
                (5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
            ),
            ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        ),
        KnownSet("glyphs", "digits drawn by fastnet itself (synthetic)", "MIT", (), ()),
    )
}

# SHA-256 of uncompressed IDX files, whatever file they came in: see Dataset.sha256.
PUBLISHED = {
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db": "MNIST train images",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5": "MNIST train labels",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7": "MNIST test images",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2": "MNIST test labels",
    "88ff13fc854aeab187f6c2b303856b6bcbc399964a0e953503e51df38635ba57": "glyphs train images",
    "b868331c98b2e254efe0fae870e1ff52004ad394ed9df7d02b56ac316fb84577": "glyphs train labels",
    "9f02e420161c3d679c52076b6333920146f5ae6c9c9c67e8ac1a78e9d86f38c5": "glyphs test images",
    "73fe4b7c8bb0648d64eaf9f5b9dafd745a04f1bc69de27bd889c51c662c16214": "glyphs test labels",
}
