"""Words to targets: what is understood, and what must not be guessed."""

import pytest

from parser_model import RequestError
from parser_model.ontology import Ontology, covers, ontology, words_of
from tests.never_mapped import NEVER_MAPPED, OF_ANOTHER_SITE


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
        ("renal parenchyma", "kidney"),
        ("nerve head", "optic disc"),
        ("whole liver", "liver"),
        ("the outline of the liver", "liver"),
        ("thoracic aorta", "aorta"),
        ("abnormal growth in the lung", "tumor"),
        ("polyp in this chest X-ray", "polyp"),  # asked of the wrong image, but clearly asked
        ("muscular wall of the heart", "myocardium"),
        ("cavity of the left ventricle", "left heart ventricle"),  # another order of words
        ("kidney on the left-hand side", "left kidney"),
        ("hepatic organ tissue", "liver"),
        ("tumours of the meninges", "meningioma"),
        ("abdomen CT of the liver", "liver"),
        ("peritumoural oedema", "edema"),
        ("malignant breast tumour", "malignant tumor"),  # its site inside the name
        ("benign breast lesion", "benign tumor"),
        ("right chest lung", "right lung"),
    ],
)
def test_words_that_mean_a_target(phrase, target):
    assert ontology().resolve(phrase) == target


@pytest.mark.parametrize(
    ("phrase", "target"),
    [
        ("肝脏", "liver"),
        ("肝臟", "liver"),  # traditional characters
        ("腹部CT中的肝脏", "liver"),
        ("肝脏有多大？", "liver"),
        ("请帮我测量肝脏的面积", "liver"),
        ("左肺", "left lung"),
        ("右边的肺", "right lung"),
        ("双侧肾脏", "kidney"),
        ("左侧肾", "left kidney"),
        ("眼底照片中的视盘", "optic disc"),
        ("这张图里的息肉", "polyp"),
        ("肠镜下的息肉", "polyp"),
        ("超声图像里的胎头", "fetal head"),
        ("病理切片中的细胞核", "nuclei"),
        ("肺癌", "tumor"),
        ("前列腺", "prostate"),
        ("前列腺癌", "tumor"),
        ("恶性乳腺肿瘤", "malignant tumor"),
        ("硬膜下血肿", "subdural hemorrhage"),
        ("CT肝脏", "liver"),
    ],
)
def test_chinese_needs_no_spaces(phrase, target):
    assert ontology().resolve(phrase) == target


@pytest.mark.parametrize("phrase", NEVER_MAPPED)
def test_unknown_words_are_never_mapped_to_the_nearest(phrase):
    assert ontology().resolve(phrase) is None


@pytest.mark.parametrize("phrase", OF_ANOTHER_SITE)
def test_a_site_that_makes_it_something_else_is_not_taken_off(phrase):
    assert ontology().resolve(phrase) is None


def test_a_word_may_mean_something_only_in_one_modality():
    assert ontology().resolve("disc") is None
    assert ontology().resolve("disc", "fundus") == "optic disc"
    assert ontology().resolve("disc", "MRI") == "intervertebral disc"


@pytest.mark.parametrize(
    ("phrase", "target"),
    [
        ("my liver", "liver"),
        ("the patient\u2019s left lung", "left lung"),
        ("R. lung", "right lung"),
    ],
)
def test_whose_it_is_and_short_sides_are_understood(phrase, target):
    assert ontology().resolve(phrase) == target


def test_sides_are_kept_apart():
    assert ontology().resolve("left kidney") == "left kidney"
    assert ontology().resolve("right kidney") == "right kidney"
    assert ontology().resolve("kidneys") == "kidney"
    names = ontology()
    for target in names.targets:
        for side, sign in (("left", "左"), ("right", "右")):
            for spelling in names.synonyms(target):
                if side in spelling.split() and len({"left", "right"} & set(spelling.split())) == 1:
                    assert side in target.split() or target == "myocardium", spelling
            for spelling in names.chinese_names(target):
                if sign in spelling and not {"左", "右"} <= set(spelling):
                    assert side in target.split() or target == "myocardium", spelling


def test_every_name_and_synonym_resolves_to_its_own_target():
    names = ontology()
    for target in names.targets:
        assert names.chinese_names(target), target
        for spelling in (target, *names.synonyms(target), *names.chinese_names(target)):
            assert names.resolve(spelling) == target, spelling


def test_a_place_around_any_name_changes_nothing():
    names = ontology()
    for place in names.places:
        for target in names.targets_in(place.modality, place.site):
            around = (
                f"{target} in {place.site} {place.modality}",
                f"{target} in the {place.site}",
                f"the {place.site} {target} on this {place.modality} image",
                f"{place.modality}图像中的{names.chinese_names(target)[0]}",
            )
            for phrase in around:
                assert names.resolve(phrase, place.modality) == target, phrase


def test_every_catalogued_target_is_named():
    names = ontology()
    assert set(names.targets_in()) <= set(names.targets)


def test_modality_spellings_and_their_refusal():
    assert ontology().modality("x-ray") == "X-Ray"
    assert ontology().modality("Colonoscopy") == "endoscope"
    assert ontology().modality("磁共振") == "MRI"
    assert ontology().modality("X光") == "X-Ray"
    assert ontology().modality("皮肤镜") == "dermoscopy"
    with pytest.raises(RequestError, match="do not know the modality"):
        ontology().modality("telepathy")


def test_words_in_one_spelling():
    assert words_of("The Tumours, Biopsies & masses!") == ["the", "tumor", "biopsy", "and", "mass"]
    assert words_of("CT中的肝臟") == ["ct", "中", "的", "肝", "脏"]
    assert isinstance(ontology(), Ontology)


def test_a_file_that_says_mri_may_hold_any_sequence():
    assert covers("MRI", "MRI-FLAIR")
    assert covers(None, "OCT")
    assert not covers("MRI-FLAIR", "MRI")
    assert not covers("CT", "OCT")


@pytest.mark.parametrize(
    ("target", "modality", "site", "possible"),
    [
        ("tumor", "CT", "abdomen", True),
        ("tumor", "fundus", "retinal", True),
        ("hemorrhage", "MRI", "brain", True),  # labelled in CT of the brain
        ("hemorrhage", "fundus", "retinal", True),  # bleeding may be anywhere
        ("prostate", "MRI", "prostate", True),  # where only its zone is labelled
        ("kidney", "CT", "chest", True),
        ("polyp", "CT", "abdomen", True),
        ("polyp", "fundus", "retinal", False),
        ("left lung", "ultrasound", "breast", False),
    ],
)
def test_what_images_may_hold_that_are_not_labelled_for_it(target, modality, site, possible):
    assert ontology().may_hold(target, modality, site) is possible
