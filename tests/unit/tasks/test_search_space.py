"""Which values a search tries."""

from dataclasses import dataclass

import pytest

from napari_cellseg_ssl.core.methods.actis.options import ActisSegmentOptions
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusSegmentOptions
from napari_cellseg_ssl.core.methods.registry import METHODS
from napari_cellseg_ssl.core.options import option
from napari_cellseg_ssl.tasks.search_space import search_space, steps_between


@dataclass(frozen=True, kw_only=True)
class Options:
    share: float = option(0.5, label="Share", help="", min=0.0, max=1.0, step=0.01)
    length: float = option(9.0, label="Length", help="", min=5.0, max=100.0, step=1.0)
    count: int = option(4, label="Count", help="", min=1, max=100)
    split: bool = option(True, label="Split", help="")
    kind: str = option("a", label="Kind", help="", choices=("a", "b"))
    free: str = option("", label="Free", help="")
    slow: str = option("x", label="Slow", help="", choices=("x", "y"), advanced=True)
    depth: float = option(0.0, label="Depth", help="", min=0.0, max=50.0, advanced=True, search=(2.0, 8.0))


def test_numbers_spread_around_the_current_value_within_their_limits():
    space = search_space(Options())

    assert space["share"] == (0.14, 0.21, 0.29, 0.39, 0.5, 0.61, 0.71, 0.79, 0.86)  # odds of 1/6 to 6
    assert (space["length"][0], space["length"][-1]) == (5.0, 27.0)
    assert 9.0 in space["length"]
    assert set(map(type, space["count"])) == {int}
    assert (space["split"], space["kind"]) == ((False, True), ("a", "b"))


def test_options_for_experts_are_searched_only_where_they_say_so():
    space = search_space(Options())

    assert not {"free", "slow"} & set(space)
    assert space["depth"][:2] == (0.0, 2.0)
    assert space["depth"][-1] == pytest.approx(8.0)


@pytest.mark.parametrize("neck", [0.0, 0.95])
def test_whether_cells_are_cut_at_necks_is_searched_whatever_it_is_set_to(neck):
    necks = search_space(ActisSegmentOptions(widest_neck=neck))["widest_neck"]

    assert (necks[0], necks[-1]) == (0.0, 1.0)
    assert any(0.8 < one < 1.0 for one in necks)


def test_a_value_that_the_user_set_is_among_those_tried():
    assert 0.333 in search_space(Options(share=0.333))["share"]
    assert 0.0 in search_space(Options(share=0.0))["share"]


def test_from_an_extreme_share_a_search_comes_back():
    shares = search_space(Options(share=0.99))["share"]

    assert shares[0] == pytest.approx(0.76)
    assert shares[-1] == 0.99


def test_steps_are_counted_in_the_list_and_names_are_half_a_list_apart():
    space = search_space(Options())

    assert steps_between(space["share"], 4, 1) == 3
    assert (steps_between(space["kind"], 0, 1), steps_between(space["kind"], 1, 1)) == (4, 0)


def test_mean_shift_which_takes_minutes_is_never_tried():
    assert "clustering" not in search_space(CellulusSegmentOptions())


@pytest.mark.parametrize("method_id", list(METHODS))
def test_every_method_has_something_to_search_around_its_defaults(method_id):
    defaults = get_method(method_id).info.segment_options()

    space = search_space(defaults)

    assert len(space) >= 3
    assert all(getattr(defaults, name) in values for name, values in space.items())
