"""Which words beside a name make it another object, and which leave it as it is."""

import pytest

from agent.planner.plain_words import makes_another
from agent.planner.understand import understand
from agent.planner.words import THICKNESS
from parser_model.ontology import ontology
from tests.never_mapped import (
    BEGINNINGS,
    BESIDE_ANOTHER,
    DESCRIBED,
    NEVER_MAPPED,
    OF_ANOTHER_SITE,
    ONLY_SOUNDS_LIKE,
)

_OF_TWO = (
    *("liver and spleen", "tumour in the left kidney", "polyp in the lung", "cup to disc ratio"),
    *("liver " * 200, "the spleen next to the kidney of the organ"),
    *("gland behind the gland that makes insulin", "layer below the layer of rods and cones cells"),
)
"""Both are known, asked about and answered for, so in a question these are no one name."""


def read(question, modality=None):
    return understand(question, [], ontology(), modality)


def targets_of(question, modality=None):
    phrases = read(question, modality).phrases
    return [target for p in phrases if (target := ontology().resolve(p, modality))]


@pytest.mark.parametrize(
    ("question", "modality", "phrase"),
    [
        ("How large is the kidney stone?", "CT", "kidney stone"),
        ("How many kidney stones are there?", "CT", "kidney stones"),
        ("Are the kidney stones visible?", "CT", "kidney stones"),
        ("How wide is the renal artery?", "CT", "renal artery"),
        ("How thick is the kidney's cortex?", "CT", "kidney's cortex"),
        ("kidney cyst size", "CT", "kidney cyst"),
        ("How wide is the hepatic vein?", "CT", "hepatic vein"),
        ("How wide are the hepatic and portal veins?", "CT", "hepatic and portal veins"),
        ("How wide is the liver vein?", "CT", "liver vein"),
        ("Show me the liver abscess please", "CT", "liver abscess"),
        ("How large is the liver's left lobe?", "CT", "liver's left lobe"),
        ("How large is liver segment 4?", "CT", "liver segment"),
        ("How bright is the region outside the liver?", "CT", "region outside the liver"),
        ("How large is the organ next to the liver?", "CT", "organ next to the liver"),
        ("How large is the fatty liver?", "CT", "fatty liver"),
        ("Is there a retinal detachment?", "OCT", "retinal detachment"),
        ("How large is the gastric ulcer?", "CT", "gastric ulcer"),
        ("How thick is the lining of the stomach?", "CT", "lining of the stomach"),
        ("Where is the bladder stone?", "CT", "bladder stone"),
        ("Is there a spinal cord injury?", "MRI", "spinal cord injury"),
        ("How bright is the area around the optic disc?", "fundus", "area around the optic disc"),
        ("Where is the papilla of Vater?", "endoscope", "papilla of Vater"),
        ("How long is the left kidney upper pole?", "CT", "left kidney upper pole"),
        ("How large is the upper part of the liver?", "CT", "upper part of the liver"),
        ("How wide is the artery to the left kidney?", "CT", "artery to the left kidney"),
        ("thyroid nodule size", "ultrasound", "thyroid nodule"),
        ("How large is the nodule in the thyroid?", "ultrasound", "nodule in the thyroid"),
        ("How large is the adrenal mass?", "CT", "adrenal mass"),
        ("How large is the bone lesion?", "CT", "bone lesion"),
        ("How much non-tumor tissue is there?", "CT", "non-tumor tissue"),
        ("How large is the pulmonary edema?", "X-Ray", "pulmonary edema"),
        ("Does the tumor have a calcification?", "CT", "calcification"),
        ("Do the kidneys have stones?", "CT", "stones"),
        ("How many stones are there in the kidney?", "CT", "stones"),
        ("Is fluid visible in the left lung?", "X-Ray", "fluid"),
        ("How much fat is in the liver?", "CT", "fat"),
        ("Are there kidney and bladder stones?", "CT", "kidney and bladder stones"),
        ("How large is the hernia containing small bowel?", "CT", "hernia containing small bowel"),
    ],
)
def test_what_is_not_the_object_in_its_name_is_asked_for_whole(question, modality, phrase):
    """So the answer is that the stone is not known, and never how large the kidney is."""
    assert read(question, modality).phrases == (phrase,)
    assert ontology().resolve(phrase, modality) is None


def test_the_answer_says_which_words_are_not_known(conversation):
    turn = conversation.ask("How large is the liver abscess?")
    assert turn.refused
    assert 'do not know what "liver abscess" is' in turn.answer


@pytest.mark.parametrize(
    ("question", "modality", "phrases"),
    [
        ("Show me the tumor please", "CT", ("tumor",)),
        ("liver volume mL", "CT", ("liver",)),
        ("kidneys - how big are they?", "CT", ("kidneys",)),
        ("Is the spleen visible?", "CT", ("spleen",)),
        ("Where exactly is the pancreas located?", "CT", ("pancreas",)),
        ("Could you outline the left lung for me?", "X-Ray", ("left lung",)),
        ("Outline the right lung and measure it", "X-Ray", ("right lung",)),
        ("How big do you think the liver is?", "CT", ("liver",)),
        ("How big does the liver appear, roughly?", "CT", ("liver",)),
        ("How much space does the liver take up?", "CT", ("liver",)),
        ("How large is the liver compared to the spleen?", "CT", ("liver", "spleen")),
        ("Back to the liver: how large is it?", "CT", ("liver",)),
        ("Point to the tumor", "CT", ("tumor",)),
        ("left kidney, right kidney: how long?", "CT", ("left kidney", "right kidney")),
        ("How large is the kidney (left)?", "CT", ("kidney left",)),
        ("Does the tumor touch the liver?", "CT", ("tumor", "liver")),
        ("Does the tumor abut the liver?", "CT", ("tumor", "liver")),
        ("Is the liver twice as large as the spleen?", "CT", ("liver", "spleen")),
        ("How big is the dark tumor?", "CT", ("tumor",)),
        ("How large is the suspicious mass?", "CT", ("suspicious mass",)),
        ("Where is the largest tumor?", "CT", ("tumor",)),
        ("How large is the 3 cm lesion?", "CT", ("lesion",)),
        ("How large is the lesion marked with an arrow?", "CT", ("lesion",)),
        ("How large is the lesion in square millimetres?", "CT", ("lesion",)),
        ("How large is the lesion of the patient?", "CT", ("lesion",)),
        ("Is the tumor's edge smooth?", "CT", ("tumor",)),
        ("What is the liver's mean density in HU?", "CT", ("liver",)),
        ("aortic diameter", "CT", ("aortic",)),
        ("How large is the kidney tumor?", "CT", ("kidney tumor",)),
        ("How large is the lung nodule?", "CT", ("lung nodule",)),
        ("How large is the brain tumor?", "MRI", ("brain tumor",)),
        ("How wide is the spinal canal at its widest?", "MRI", ("spinal canal",)),
        ("How large is the largest part of the tumour?", "CT", ("tumour",)),
        ("How large is the breast cancer?", "ultrasound", ("breast cancer",)),
        ("How big is my baby's head?", "ultrasound", ("baby's head",)),
        ("How large is the skin lesion?", "dermoscopy", ("skin lesion",)),
        ("How dark is the mole inside?", "dermoscopy", ("mole",)),
        ("Is the lesion border irregular?", "dermoscopy", ("lesion border",)),
        ("Are the blood vessels visible?", "fundus", ("blood vessels",)),
        ("Is the optic disc pale?", "fundus", ("optic disc",)),
        ("What does the polyp measure?", "endoscope", ("polyp",)),
        ("How big is the sessile polyp?", "endoscope", ("polyp",)),
        ("Is there more than one polyp?", "endoscope", ("polyp",)),
        ("Show all nuclei", "pathology", ("nuclei",)),
        ("How many cell nuclei are in this field?", "pathology", ("cell nuclei",)),
        ("retina thickness at the center", "OCT", ("retina",)),
    ],
)
def test_words_of_a_question_belong_to_no_name(question, modality, phrases):
    assert read(question, modality).phrases == phrases


@pytest.mark.parametrize(
    "phrase", [p for p in (*NEVER_MAPPED, *OF_ANOTHER_SITE) if p not in _OF_TWO]
)
@pytest.mark.parametrize("modality", [None, "CT", "MRI"])
def test_what_means_no_object_means_none_in_a_question(phrase, modality):
    assert not targets_of(f"How large is the {phrase}?", modality)


@pytest.mark.parametrize(
    ("phrase", "modality"),
    [one for one in (*ONLY_SOUNDS_LIKE, *BESIDE_ANOTHER) if one[0] not in _OF_TWO],
)
def test_what_sounds_like_a_description_means_nothing_in_a_question(phrase, modality):
    assert not targets_of(f"How large is the {phrase.removeprefix('the ')}?", modality)


@pytest.mark.parametrize(
    "beginning", [one for one in BEGINNINGS if one not in ("the edge of", "cancer of")]
)
@pytest.mark.parametrize(
    ("phrase", "modality"), [one for one in DESCRIBED if "spinal cord" not in one[0]]
)
def test_what_is_of_a_described_object_is_not_it_in_a_question(beginning, phrase, modality):
    """Of an edge the object's own shape is told; cancers and the spinal cord are names besides."""
    assert not targets_of(f"How large is {beginning} {phrase}?", modality)


@pytest.mark.parametrize(
    "word", ["largest", "enlarged", "roughly", "diameter", "2", "mm", "please"]
)
def test_plain_words_leave_a_name_as_it_is(word):
    assert not makes_another(word)


@pytest.mark.parametrize("word", ["stone", "cyst", "thyroid", "bed", "chest", "vein", "capsule"])
def test_all_other_words_make_another_name(word):
    assert makes_another(word)


@pytest.mark.parametrize(
    ("question", "phrase"),
    [
        ("How thick is the bladder wall?", "bladder wall"),
        ("gallbladder wall thickness", "gallbladder wall"),
        ("How thick is the chest wall?", "chest wall"),
        ("posterior wall thickness", "posterior wall"),
        ("How thick is the wall of the aorta?", "wall of the aorta"),
        ("What is the wall thickness of the aorta?", "wall of the aorta"),
        ("How thick is the wall of the trachea?", "wall of the trachea"),
        ("How thick is the carotid wall?", "carotid wall"),
        ("how thick are the vessel walls?", "vessel walls"),
        ("How thick is the wall of the right ventricle?", "wall of the right ventricle"),
    ],
)
def test_another_wall_is_not_the_heart_muscle(question, phrase):
    request = read(question)
    assert (request.phrases, request.quantities) == ((phrase,), THICKNESS)
    assert ontology().resolve(phrase) is None


@pytest.mark.parametrize(
    "question",
    [
        "How thick is the wall?",
        "maximum wall thickness",
        "ventricular wall thickness",
        "How thick is the LV wall?",
        "What is the thickness of the wall of the heart?",
        "mean wall thickness of the left ventricle",
        "How large is the LV and how thick is its wall?",
    ],
)
def test_the_wall_is_the_heart_muscle_where_no_other_is_named(question):
    assert read(question).phrases == ("myocardium",)
