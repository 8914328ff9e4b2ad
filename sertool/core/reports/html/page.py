"""A report as one HTML file that opens with no network: style, script, figures and data are inside it."""

from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from sertool.core.files import page_text
from sertool.core.files.page_text import policy_hash
from sertool.core.formatting import plural
from sertool.core.reports import wording
from sertool.core.reports.contents import Report
from sertool.core.reports.html import figures, score_browser, views
from sertool.core.reports.html.browser import PAGE, Pool
from sertool.core.reports.html.side_by_side import side_by_side
from sertool.core.reports.probes import judged_metric, probed_title
from sertool.core.reports.summary import counted
from sertool.core.runs.ensemble_size import how_chosen
from sertool.core.training.history import best_epoch, went_back

TEMPLATES = Path(__file__).parent / "templates"  # HTML, style and script: the page needs no file beside it


def render(report: Report) -> str:
    """Return the HTML page of a report.

    All texts of corpora and recipes are escaped, and stand in elements of their own direction. In addition the content
    security policy of the page allows a browser to run only the script written here, and to load nothing but the
    recordings beside it, if there are some.
    """
    style, script = (_asset(name) for name in ("style.css", "script.js"))
    pool = Pool()
    runs = views.run_views(report, pool)
    # Hashes instead of "unsafe-inline": even if a text got through the escaping, it could not run.
    policy = (
        f"default-src 'none'; style-src {policy_hash(style)}; script-src {policy_hash(script)}; img-src data:; "
        f"media-src {_media(report)}; "
        "base-uri 'none'; form-action 'none'"
    )
    template = _environment().get_template("page.html")
    return template.render(
        report=report,
        runs=runs,
        places={view.own.name: view.place for view in runs},
        pool=pool.data(),  # after ``run_views``, which fills it
        page_size=PAGE,
        style=style,
        script=Markup(script),
        policy=policy,
    )


def _media(report: Report) -> str:
    """Return where players may load recordings from: the page itself, and its folder if recordings lie beside it."""
    addresses = [address for own in report.recordings.values() for address in own.values()]
    # Browsers differ in what "self" means for a page that was opened from a file.
    return "data:" if all(address.startswith("data:") for address in addresses) else "data: 'self' file:"


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = page_text.environment_of(TEMPLATES)
    environment.filters |= {
        "figure": lambda value, metric="": _typeset(wording.figure(value, metric)),
        "interval": lambda own, metric="": _typeset(wording.interval(own, metric)),
        "change": lambda value, metric="": _typeset(wording.change(value, metric, 1)),  # as the intervals
        "change_interval": lambda own, metric="": _typeset(wording.change_interval(own, metric)),
        "p_value": lambda p: _typeset(wording.p_value(p)),
        "p_equals": lambda p: wording.p_equals(p).replace(" ", "\u00a0"),  # stays on one line
        "metric": wording.metric_name,
        "how_chosen": how_chosen,
        "name": page_text.name,
        "sentence": page_text.sentence,
        "plural": plural,
        "typeset": _typeset,
        "capitalised": wording.capitalised,
        "utterances_of": wording.utterances_of,
        "named_baselines": wording.named_baselines,
        "percent": lambda value: "–" if value != value else wording.percent(value),
    }
    environment.globals |= {"figures": figures, "views": views, "counted": counted, "side_by_side": side_by_side}
    environment.globals |= {"best_epoch": best_epoch, "went_back": went_back, "in_percent": wording.in_percent}
    environment.globals |= {"headline": wording.headline, "goal": wording.goal, "reached_of": wording.reached_of}
    environment.globals |= {"judged": judged_metric, "is_error": wording.is_error, "score_browser": score_browser}
    environment.globals |= {"probed_title": probed_title}
    environment.globals |= {"speakers_at_ends": wording.speakers_at_ends}
    return environment


def _typeset(text: str) -> str:
    """Write numbers with a true minus sign and en dash."""
    # The dash between two numbers first, as it is a hyphen as well.
    return "–" if text == wording.NONE else text.replace(" - ", "–").replace("-", "−")
