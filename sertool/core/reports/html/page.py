"""A report as one HTML file that opens with no network: style, script, figures and data are inside it."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sertool.core.formatting import plural
from sertool.core.metrics import Difference, Estimate
from sertool.core.reports import wording
from sertool.core.reports.contents import Report
from sertool.core.reports.html import figures
from sertool.core.reports.html import views as html_views
from sertool.core.reports.html.browser import PAGE, Pool

TEMPLATES = Path(__file__).parent / "templates"


def render(report: Report) -> str:
    """The page of a report, as text of a UTF-8 file.

    Whatever corpus and recipes hold is escaped, and the page's own policy lets a browser run nothing but the script
    written here and load nothing at all.
    """
    style, script = (_asset(name) for name in ("style.css", "script.js"))
    pool = Pool()
    runs = html_views.run_views(report, pool)
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            runs=runs,
            places={view.own.name: view.place for view in runs},
            pool=pool.data(),
            page_size=PAGE,
            style=Markup(style),
            script=Markup(script),
            policy="; ".join(
                (
                    "default-src 'none'",
                    f"style-src {_hash(style)}",
                    f"script-src {_hash(script)}",
                    "img-src data:",
                    "media-src data:",
                    "base-uri 'none'",
                    "form-action 'none'",
                )
            ),
        )
    )


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a content security policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_allowed,
    )
    environment.filters |= {
        "figure": lambda value, metric="": _typeset(wording.figure(value, metric)),
        "interval": lambda own, metric="": _typeset(wording.interval(own, metric)),
        "points": lambda value: _typeset(wording.points(value, 1)),
        "points_interval": _points_interval,
        "p_value": lambda p: _typeset(wording.p_value(p)),
        "p_equals": wording.p_equals,
        "metric": wording.metric_name,
        "plural": plural,
        "begun": lambda text: text[:1].upper() + text[1:],
        "percent": lambda value: "–" if value != value else wording.percent(value),
    }
    environment.globals |= {"figures": figures, "views": html_views}
    return environment


def _allowed(value: Any) -> Any:
    """What a template shows, without characters that HTML cannot hold."""
    return figures.allowed(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _typeset(text: str) -> str:
    """Numbers with a true minus and dash."""
    return "–" if text == wording.NONE else text.replace(" - ", "–").replace("-", "−")


def _points_interval(own: Difference | Estimate) -> str:
    return _typeset(wording.points_interval(own))
