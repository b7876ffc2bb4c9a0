import pytest

from graycell.errors import ModelError
from graycell.models.nolan_lee import parameter_table
from graycell.parameters import Parameter, ParameterTable
from graycell.units import INTERNAL_UNITS


def test_the_published_table_holds_47_parameters_of_the_paper():
    rows = [row for row in parameter_table() if row.source == "Nolan & Lee 2011, published"]
    assert len(rows) == 47
    assert all(row.estimated for row in rows)


def test_every_parameter_has_a_house_unit_a_meaning_and_a_source():
    for row in parameter_table(extended=True):
        assert row.unit in (*INTERNAL_UNITS, "mmol/(1e9 cells)", "1/d"), row.name
        assert row.meaning, row.name
        assert row.source, row.name


def test_rates_are_converted_to_house_units_once():
    assert parameter_table()["vmax1f"].value == pytest.approx(3.8, rel=1e-14)
    assert parameter_table("refit")["vmax1f"].value == pytest.approx(3.59317033699, rel=1e-12)


def require_estimable(**fields):
    return ParameterTable.of({"k": Parameter(**fields)}).require_estimable()


def test_bounds_that_do_not_enclose_the_value_are_an_error_of_a_fit():
    with pytest.raises(ModelError, match=r"parameter k: .* must enclose the value"):
        require_estimable(value=5.0, unit="1", lower=1.0, upper=2.0)
    with pytest.raises(ModelError, match="log scale"):
        require_estimable(value=0.5, unit="1", lower=0.0, upper=2.0, log_scale=True)


def test_a_lower_bound_of_zero_means_a_fit_on_a_plain_scale():
    [row] = require_estimable(value=0.5, unit="1", lower=0.0, upper=2.0)
    assert not row.log_scale
    assert require_estimable(value=0.5).rows[0].log_scale


def test_every_fault_of_every_parameter_is_reported_at_once():
    table = ParameterTable.of({"a": Parameter(5.0, upper=2.0), "b": Parameter(1.0, prior_sd=-1.0), "c": Parameter(1.0)})
    with pytest.raises(ModelError) as error:
        table.require_estimable()
    sentences = str(error.value).splitlines()
    assert [sentence.split(":")[0] for sentence in sentences] == ["parameter a", "parameter b"]
    assert not table["c"].faults()


@pytest.mark.parametrize("changes", [{"upper": float("inf")}, {"lower": 0.5, "upper": 0.5}, {"prior_sd": 0.0}])
def test_a_parameter_that_cannot_be_fitted_is_an_error(changes):
    with pytest.raises(ModelError, match="estimated=False"):
        require_estimable(**{"value": 0.5, "unit": "1", "lower": 0.1, "upper": 2.0, **changes})


def test_changes_give_a_new_table():
    table = ParameterTable.of({"Km1": Parameter(10.0, "mmol/L", 1.0, 100.0)})
    changed = table.with_changes("Km1", estimated=False)
    assert table["Km1"].estimated
    assert not changed.estimated


def test_an_unknown_parameter_is_named_with_the_nearest_one():
    with pytest.raises(ModelError, match="did you mean 'Km1'"):
        parameter_table().with_values({"Km01": 1.0})
