"""How figures and metrics are written for people: shares in percent, differences in points, p-values."""

from sertool.core.metrics import Difference, Estimate
from sertool.core.reports.contents import Spread

NAMES = {
    "accuracy": "accuracy",
    "uar": "UAR",
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "acc2_with_zeros": "acc2, with zeros",
    "acc2_without_zeros": "acc2, without zeros",
    "acc7": "acc7",
    "mae": "MAE",
    "pearson": "Pearson",
    "ccc": "CCC",
}
NO_SHARE = ("mae", "pearson", "ccc")  # in their own units; everything else is a share
NONE = "-"


def metric_name(metric: str) -> str:
    """A metric as the field writes it."""
    return NAMES.get(metric, metric)


def figure(value: float, metric: str = "") -> str:
    """A figure: a share in percent, MAE and correlations as they are."""
    if value != value:
        return "not defined"
    return f"{value:.3f}" if metric in NO_SHARE else f"{100 * value:.2f}"


def interval(own: Estimate, metric: str = "") -> str:
    """A figure's interval, as in "69.8 - 75.0"; a dash where there is none."""
    if own.low is None or own.high is None:
        return NONE
    if metric in NO_SHARE:
        return f"{own.low:.3f} - {own.high:.3f}"
    return f"{100 * own.low:.1f} - {100 * own.high:.1f}"


def spread(own: Spread | None, metric: str = "") -> str:
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


def _unsigned(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:.1f}"
