"""How figures and metrics are written for people: shares in percent, differences in points, p-values."""

from sertool.core.metrics import Difference, Estimate
from sertool.core.metrics.classification import METRICS, Metric
from sertool.core.metrics.sentiment import SCORE_METRICS
from sertool.core.reports.contents import MemberSpread

ALL_METRICS: dict[str, Metric] = {**METRICS, **SCORE_METRICS}  # in the order of every table
NONE = "-"


def metric_name(metric: str) -> str:
    """A metric as the field writes it."""
    return ALL_METRICS[metric].title if metric in ALL_METRICS else metric


def percent(share: float, digits: int = 1) -> str:
    """Write a share in percent, as in "72.5"."""
    return f"{100 * share:.{digits}f}"


def figure(value: float, metric: str = "") -> str:
    """A figure: a share in percent, MAE and correlations as they are."""
    if value != value:
        return "not defined"
    return percent(value, 2) if _is_share(metric) else f"{value:.3f}"


def interval(own: Estimate, metric: str = "") -> str:
    """A figure's interval, as in "69.8 - 75.0"; a dash where there is none."""
    if own.low is None or own.high is None:
        return NONE
    if _is_share(metric):
        return f"{percent(own.low)} - {percent(own.high)}"
    return f"{own.low:.3f} - {own.high:.3f}"


def spread(own: MemberSpread | None, metric: str = "") -> str:
    """Mean and standard deviation over members, as in "68.92 ± 0.84"; a dash where nothing is known."""
    if own is None:
        return NONE
    mean = figure(own.mean, metric)
    return mean if own.sd is None else f"{mean} ± {figure(own.sd, metric)}"


def points(value: float, digits: int = 2) -> str:
    """A difference of shares in percentage points, with its sign."""
    # Rounded first: what is shown as zero has no sign.
    rounded = round(100 * value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def points_interval(own: Difference | Estimate) -> str:
    """A difference's interval in points, as in "-0.8 to 4.5"; a dash where there is none."""
    if own.low is None or own.high is None:
        return NONE
    return f"{_unsigned(own.low)} to {_unsigned(own.high)}"


def p_value(p: float | None) -> str:
    """A p-value for a table; a dash where there is none."""
    if p is None or p != p:
        return NONE
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """A p-value in a sentence, as in "p = 0.012"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _is_share(metric: str) -> bool:
    """Check whether a figure is written in percent: all are, except metrics that have a unit of their own."""
    return metric not in ALL_METRICS or ALL_METRICS[metric].is_share


def _unsigned(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:.1f}"
