"""The report of a run or a network: one page of HTML that holds all of its pictures and needs no network."""

from fastnet.report.material import Judged, Material
from fastnet.report.page import page
from fastnet.report.run import Run, read_run

__all__ = ["Judged", "Material", "Run", "page", "read_run"]
