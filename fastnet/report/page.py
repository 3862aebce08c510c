"""The page: its parts in their order, and how they look on a screen, a phone and paper."""

from datetime import UTC, datetime
from pathlib import Path

from fastnet import __version__
from fastnet.report import course, quality
from fastnet.report.markup import Markup, facts, joined, note, tag
from fastnet.report.material import Material
from fastnet.summary import grouped

# Nothing is loaded and no script runs, whatever a file may have smuggled in.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
FIGURES = {
    "accuracy": ("accuracy", "{:.2%}"), "r2": ("R²", "{:.4f}"), "rmse": ("RMSE", "{:.4g}"), "loss": ("loss", "{:.4g}"),
}  # fmt: skip
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 68rem; background: #fff; color: #1a1a1a;
  font: 1rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.2; }
h2 { margin: 0 0 .6rem; font-size: 1.15rem; }
header p { margin: .2rem 0 1rem; }
section { padding: 1.1rem 0; border-top: 1px solid #ccc; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 10rem), 1fr)); gap: .5rem 1.2rem;
  margin: 0 0 .6rem; }
dt { color: #555; font-size: .85rem; }
dd { margin: 0; }
.figures dd { font-size: 1.35rem; font-weight: 600; }
.note { margin: .4rem 0; color: #555; font-size: .9rem; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .9rem; overflow-wrap: normal; }
th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td.word { max-width: 20rem; overflow-wrap: anywhere; min-width: 4rem; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.picture { display: block; max-width: 100%; height: auto; }
.pictures { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .6rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.2rem, 1fr)); gap: .8rem; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-size: .85rem; line-height: 1.3; }
figcaption span { display: block; color: #555; }
.thumbnail { display: block; width: 100%; height: auto; max-width: 9rem; border: 1px solid #bbb;
  image-rendering: pixelated; }
footer { padding: 1rem 0; border-top: 1px solid #ccc; color: #555; font-size: .85rem; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; }
  tr, .picture, dl > div { break-inside: avoid; }
  .scroll { overflow: visible; }
  .picture { width: auto; max-height: 10cm; }
  .pictures .picture { width: 48%; }
  .gallery { grid-template-columns: repeat(8, 1fr); }
}
"""


def page(material: Material) -> str:
    """The whole report as HTML. Its pictures are in it; the only thing that changes from call to call is the date."""
    title = f"fastnet report: {Path(material.source).name}"
    parts = [
        _header(material, title), course.course(material), *quality.results(material), quality.columns(material),
        course.settings(material), quality.layers(material), quality.weights(material), course.speed(material),
        course.environment(material),
    ]  # fmt: skip
    return document(title, [part for part in parts if part is not None], Path(material.source).name)


def document(title: str, parts: list[Markup], source: str) -> str:
    """A whole page of parts. source : what it was made from."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    foot = tag("footer", f"Made by fastnet {__version__} on {now} from {source}.")
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", title),
        Markup(f"<style>{STYLE}</style>"),
    )
    body = tag("body", joined([*parts, foot]))
    html = tag("html", Markup("\n"), tag("head", joined(head)), Markup("\n"), body, lang="en")
    return f"<!DOCTYPE html>\n{html}\n"


def _header(material: Material, title: str) -> Markup:
    """The title, what the report is about, and the figures that are looked for first."""
    words = [_about_network(material), _about_data(material)]
    line = "; ".join(word for word in words if word)
    figures = tag("div", facts(_figures(material)), class_="figures")
    doubt = material.doubt
    return tag("header", tag("h1", title), tag("p", line), figures, *([] if doubt is None else [note(doubt)]))


def _about_network(material: Material) -> str:
    net = material.network
    if net is None:
        return ""
    return f"{'-'.join(map(str, net.sizes))}, {net.output} output, {grouped(net.params.size)} parameters"


def _about_data(material: Material) -> str:
    if material.run is not None and material.run.data.get("name"):
        synthetic = " (synthetic)" if material.run.data.get("synthetic") else ""
        return f"trained on {material.run.data['name']}{synthetic}"
    return "" if material.judged is None else f"judged on {material.judged.dataset.name}"


def _figures(material: Material) -> list[tuple[str, str]]:
    """Accuracy (R2 and RMSE), loss, epochs, seconds; those of the network itself, where there are rows, come first."""
    run, judged = material.run, material.judged
    found = {} if run is None else dict(run.results)
    if judged is not None:
        found[judged.kind] = vars(judged.evaluation)
    figures = [
        (f"{words}, {kind} rows", form.format(values[name]))
        for kind, values in found.items()
        for name, (words, form) in FIGURES.items()
        if isinstance(values.get(name), int | float)
    ]
    if run is not None and len(run.history):
        figures.append(("epochs", str(len(run.history))))
        figures.append(("seconds of training", f"{sum(epoch.seconds for epoch in run.history):.3g}"))
    return figures
