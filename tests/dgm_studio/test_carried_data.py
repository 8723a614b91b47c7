"""The data that stays when a run is given another family."""

from __future__ import annotations

from dgm_studio.config import DataChoice, carried_over, default_data, of_domains
from models import catalog

MOONS = DataChoice(source="moons", settings={"examples": 300}, split_seed=3)
PICTURES = DataChoice(source="folder", settings={"path": "/pictures"})


def over(data: DataChoice, before: str, after: str) -> DataChoice:
    return carried_over(data, catalog.family(before), catalog.family(after))


def test_where_nothing_was_chosen_a_family_has_its_own_data() -> None:
    for before in catalog.FAMILIES:
        for after in catalog.FAMILIES:
            assert carried_over(default_data(before), before, after) == default_data(after)


def test_what_was_chosen_stays() -> None:
    assert over(MOONS, "vae", "gan") == MOONS
    assert over(PICTURES, "vae", "hmm") == PICTURES  # it does not fit: the form says so, and offers what would


def test_it_is_prepared_as_the_new_family_has_it() -> None:
    grey = PICTURES.model_copy(update={"levels": 16})
    assert over(grey, "vae", "rbm") == PICTURES.model_copy(update={"binarization": "threshold"})
    assert over(grey, "vae", "gan") == grey  # which has values as they are too
    bits = PICTURES.model_copy(update={"binarization": "dynamic"})
    assert over(bits, "nade", "rbm") == bits
    assert over(bits, "nade", "gan") == PICTURES


def test_a_second_domain_comes_and_goes_with_what_learns_from_two() -> None:
    own = default_data(catalog.family("cyclegan")).other
    assert own is not None
    both = over(PICTURES, "gan", "cyclegan")
    assert both == of_domains(PICTURES, own)
    assert over(of_domains(PICTURES, MOONS), "cyclegan", "domain-adversarial") == of_domains(PICTURES, MOONS)
    assert over(both, "cyclegan", "gan") == PICTURES
