"""Objects named by what they are or do: what is understood, and what only sounds like it."""

import tomllib
from importlib import resources

import pytest

from parser_model.describing import Describer, stem
from parser_model.ontology import ontology
from tests.never_mapped import BEGINNINGS, BESIDE_ANOTHER, DESCRIBED, ONLY_SOUNDS_LIKE

LEXICON = tomllib.loads(resources.files("parser_model").joinpath("lexicon.toml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("phrase", "modality", "target"),
    [
        ("the organ that holds urine", None, "bladder"),
        ("a bag for storing bile", "CT", "gallbladder"),
        ("the insulin-producing gland behind the stomach", "CT", "pancreas"),
        ("bean-shaped organs that filter the blood and make urine", "CT", "kidney"),
        ("the kidney next to the spleen", "CT", "left kidney"),
        ("the lung with three lobes", "X-Ray", "right lung"),
        ("the chamber that pumps blood into the aorta", "MRI", "left heart ventricle"),
        ("the chamber that pumps blood to the lungs", "MRI", "right heart ventricle"),
        ("the chamber into which the lung veins drain", "MRI", "left heart atrium"),
        ("soft cushions between the vertebrae", "MRI", "intervertebral disc"),
        ("crescent-shaped bleed under the dura", "CT", "subdural hemorrhage"),
        ("lens-shaped blood collection", "CT", "epidural hemorrhage"),
        ("swollen tissue around the mass", "MRI-FLAIR", "edema"),
        ("the tumour without its oedema", "MRI-FLAIR", "tumor core"),
        ("the hollow in the middle of the optic disc", "fundus", "optic cup"),
        ("small arteries and veins of the eye", "fundus", "vessel"),
        ("the light-sensitive layer of the eye", "OCT", "retina"),
        ("an abnormal growth on the bowel wall", "endoscope", "polyp"),
        ("a lump that is not cancerous", "ultrasound", "benign tumor"),
        ("the skull of the unborn child", "ultrasound", "fetal head"),
        ("blue-stained dots in the cells", "pathology", "nuclei"),
        ("储存尿液的袋子", "CT", "bladder"),
        ("分泌胰岛素的器官", "CT", "pancreas"),
        ("肝脏下方的肾", "CT", "right kidney"),
        ("椎体之间的缓冲垫", "MRI", "intervertebral disc"),
    ],
)
def test_what_an_object_is_or_does_names_it(phrase, modality, target):
    assert ontology().resolve(phrase, modality) == target


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize(("phrase", "modality"), DESCRIBED)
def test_what_is_of_or_beside_a_described_object_is_not_it(beginning, phrase, modality):
    assert ontology().resolve(f"{beginning} {phrase}", modality) is None


@pytest.mark.parametrize(("phrase", "modality"), ONLY_SOUNDS_LIKE)
def test_what_only_sounds_like_a_description_is_refused(phrase, modality):
    assert ontology().resolve(phrase, modality) is None


@pytest.mark.parametrize(("phrase", "modality"), BESIDE_ANOTHER)
def test_where_a_thing_is_does_not_make_it_what_it_is_beside(phrase, modality):
    assert ontology().resolve(phrase, modality) is None


def test_a_description_is_of_what_the_modality_shows():
    assert ontology().resolve("the organ that holds urine", "fundus") is None
    assert ontology().resolve("the tumour with all of its oedema", "MRI") == "whole tumor"


def test_what_fits_two_objects_names_neither():
    entry = {"heads": "sac", "by": ["sac store"], "besides": ""}
    both = Describer({"one": entry, "two": entry})
    assert both.targets_of(["sac", "that", "stores"]) == {"one", "two"}
    assert ontology().resolve("the chamber of the heart", "MRI") is None


def test_every_other_name_in_the_lexicon_means_its_own_target():
    names = ontology()
    for target, entry in LEXICON.items():
        for spelling in entry.get("also", ()):
            assert names.resolve(spelling) == target, spelling
        for modality, spellings in entry.get("also_in", {}).items():
            for spelling in spellings:
                assert names.resolve(spelling, modality) == target, spelling


def test_the_lexicon_has_known_targets_that_its_own_words_tell():
    describer, names = Describer(LEXICON), ontology()
    assert set(LEXICON) <= set(names.targets_in())
    for target, entry in LEXICON.items():
        for cue in entry["by"]:
            words = [group.split("/")[0] for group in cue.replace(">", " ").split()]
            chinese = any(letter >= "\u4e00" for word in words for letter in word)
            if not chinese:
                head = entry["heads"].split()[0] if entry["heads"] else "organ"
                assert target in describer.targets_of([head, "with", *words]), (target, cue)


def test_stems_join_the_forms_of_a_word():
    forms = (("store", "stores", "storing", "stored"), ("carry", "carried", "carrying"))
    for group in (*forms, ("run", "running"), ("fill", "filling", "filled"), ("lobe", "lobed")):
        assert len({stem(word) for word in group}) == 1
    assert stem("urine") != stem("urethra")
