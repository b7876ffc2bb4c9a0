import pytest

from graycell.errors import ModelError
from graycell.models import MODELS, model_of, published_feed
from graycell.runs import Bolus, Replacement


def test_a_model_carries_the_name_it_is_found_by():
    assert all(model_of(name).name == name for name in MODELS)


def test_an_unknown_model_is_named_with_the_nearest_one():
    with pytest.raises(ModelError, match="did you mean 'nolan-lee'"):
        model_of("nolanlee")


def test_the_extension_adds_one_reaction_and_stays_overdetermined_by_two(published, extended):
    assert set(extended.reactions) - set(published.reactions) == {"v35"}
    assert len(extended.kinetic) == 13
    assert len(extended.projection.surplus) == 2
    assert not published.table["R_switch"].estimated
    assert extended.table["R_switch"].estimated
    assert extended.table["R_switch"].value == 1.25


def test_the_published_feed_replaces_every_bolus(run):
    events = published_feed(run).events
    assert not any(isinstance(event, Bolus) for event in events)
    assert [event.time for event in events if isinstance(event, Replacement)] == [3, 4, 5, 6, 7, 8, 9]
    with pytest.raises(ModelError, match="no bolus"):
        published_feed(published_feed(run))
