import pytest

from graycell.errors import Finding, GraycellError, InputError, nearest


def test_a_finding_says_where_what_needed_and_what_to_do():
    finding = Finding("run07.csv, row 14", "-3.2", "concentrations are >= 0", "leave the cell empty")
    assert str(finding) == "run07.csv, row 14: found -3.2; concentrations are >= 0; leave the cell empty."
    assert finding.severity == "error"


def test_an_input_error_holds_every_finding_and_says_each_on_a_line():
    findings = [Finding(f"row {row}", "x", "a number is needed", "write one") for row in range(3)]
    error = InputError(iter(findings))
    assert error.findings == tuple(findings)
    assert str(error).splitlines() == [str(finding) for finding in findings]
    assert isinstance(error, GraycellError)


def test_nearest_suggests_only_what_is_near():
    assert nearest("feeed", ["feed", "base"]).startswith("did you mean 'feed'?")
    assert nearest("zzzz", ["feed", "base"]) == "Known: feed, base"


def test_findings_can_be_compared_and_hashed_so_that_none_is_told_twice():
    first, second = (Finding("a", "b", "c", "d") for _ in range(2))
    assert len({first, second}) == 1
    with pytest.raises(AttributeError):
        first.place = "elsewhere"  # pyright: ignore[reportAttributeAccessIssue]
