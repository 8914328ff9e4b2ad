"""The table of docs/predict.md is that of tools/temperature_rule.py, and shows what the page says."""

import temperature_rule
from tables_in_docs import begin, end
from temperature_rule import DOCUMENT, RULES, Case, simulate

PAGE = DOCUMENT.read_text(encoding="utf-8")
BEGIN, END = begin("temperatures", "temperature_rule"), end("temperatures")


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


SHOWN = cells(PAGE.partition(BEGIN)[2].partition(END)[0])


def test_the_table_has_the_cases_of_the_tool():
    made = cells(temperature_rule.table(2))
    assert made[:2] == SHOWN[:2]
    assert [row[:3] for row in made] == [row[:3] for row in SHOWN]
    assert {len(row) for row in SHOWN} == {10}


def test_the_table_shows_what_the_page_says():
    known = [row for row in SHOWN[2:] if "unknown" not in row[1]]
    share = [int(row[8].removesuffix(" %")) for row in known]
    alone = [int(row[4].removesuffix(" %")) for row in known]
    assert max(share) <= 10
    assert max(alone) > 25
    assert all(ours <= theirs for ours, theirs in zip(share, alone, strict=True))
    large = [row for row in known if row[0] == "2" and int(row[1]) >= 10]
    assert [row[9] for row in large] == ["100 %", "100 %"]


def test_the_table_is_put_between_its_markers_again():
    assert temperature_rule.updated(f"a\n{BEGIN}old\n{END}\nb", 1).startswith(f"a\n{BEGIN}| factor |")


def test_the_rule_seldom_hurts_where_the_fit_alone_often_does():
    """Simulate six unequal speakers whose logits are right, at a small size."""
    outcomes = {name: simulate(Case(1.0, 6, 60), rule, 40) for name, rule in RULES.items()}
    assert outcomes["the fit alone"].harmed > 0.2
    assert outcomes["the rule"].harmed < 0.1
    overconfident = simulate(Case(2.0, 8, 200), RULES["the rule"], 20)
    assert overconfident.gain > 0.1
    assert overconfident.harmed == 0
