"""Words to targets: what is understood, and what must not be guessed."""

import pytest

from parser_model import RequestError
from parser_model.ontology import Ontology, covers, ontology, words_of


@pytest.mark.parametrize(
    ("phrase", "target"),
    [
        ("tumour", "tumor"),
        ("the masses", "tumor"),
        ("neoplasm", "tumor"),
        ("growth", "tumor"),
        ("LV", "left heart ventricle"),
        ("the left ventricle", "left heart ventricle"),
        ("optic nerve head", "optic disc"),
        ("both lungs", "lung"),
        ("left lung on this X-ray", "left lung"),
        ("liver in abdomen CT", "liver"),
        ("breast tumor", "tumor"),
        ("haemorrhage", "hemorrhage"),
        ("cell nucleus", "nuclei"),
    ],
)
def test_words_that_mean_a_target(phrase, target):
    assert ontology().resolve(phrase) == target


@pytest.mark.parametrize(
    "phrase", ["spaceship", "", "???", "heart", "livre", "the", "🫀", "x" * 500]
)
def test_unknown_words_are_never_mapped_to_the_nearest(phrase):
    assert ontology().resolve(phrase) is None


def test_a_word_may_mean_something_only_in_one_modality():
    assert ontology().resolve("disc") is None
    assert ontology().resolve("disc", "fundus") == "optic disc"
    assert ontology().resolve("disc", "MRI") == "intervertebral disc"


def test_sides_are_kept_apart():
    assert ontology().resolve("left kidney") == "left kidney"
    assert ontology().resolve("right kidney") == "right kidney"
    assert ontology().resolve("kidneys") == "kidney"


def test_every_name_and_synonym_resolves_to_its_own_target():
    names = ontology()
    for target in names.targets:
        for spelling in (target, *names.synonyms(target)):
            assert names.resolve(spelling) == target, spelling


def test_every_catalogued_target_is_named():
    names = ontology()
    assert set(names.targets_in()) <= set(names.targets)


def test_modality_spellings_and_their_refusal():
    assert ontology().modality("x-ray") == "X-Ray"
    assert ontology().modality("Colonoscopy") == "endoscope"
    with pytest.raises(RequestError, match="do not know the modality"):
        ontology().modality("telepathy")


def test_words_in_one_spelling():
    assert words_of("The Tumours, Biopsies & masses!") == ["the", "tumor", "biopsy", "and", "mass"]
    assert isinstance(ontology(), Ontology)


def test_a_file_that_says_mri_may_hold_any_sequence():
    assert covers("MRI", "MRI-FLAIR")
    assert covers(None, "OCT")
    assert not covers("MRI-FLAIR", "MRI")
    assert not covers("CT", "OCT")
