"""The offline planner's reading of everyday questions."""

import json
import tomllib
from importlib.resources import files

import pytest

from agent.planner.naming import find_phrases
from agent.planner.request import Request
from agent.planner.understand import understand
from agent.planner.words import BRIGHTNESS, SIZE, THICKNESS
from parser_model.ontology import ontology


def read(*questions, modality=None):
    requests: list[Request] = []
    for question in questions:
        requests.append(understand(question, requests, ontology(), modality))
    return requests[-1]


@pytest.mark.parametrize(
    ("question", "kind", "phrases"),
    [
        ("How large is the tumour?", "measure", ("tumour",)),
        ("how big are the lungs and the liver?", "measure", ("lungs", "liver")),
        ("Where is the polyp?", "where", ("polyp",)),
        ("Is there a polyp?", "exists", ("polyp",)),
        ("How many nuclei are there?", "count", ("nuclei",)),
        ("How many nuclei per mm2?", "density", ("nuclei",)),
        ("How many cells are there per square millimetre?", "density", ("cells",)),
        ("What is the density of the nuclei?", "density", ("nuclei",)),
        ("What is the density of the liver?", "measure", ("liver",)),
        ("Is the left lung larger than the right lung?", "compare", ("left lung", "right lung")),
        ("Which is larger, the left or the right lung?", "compare", ("left lung", "right lung")),
        ("What share of the lung is the tumour?", "share", ("lung", "tumour")),
        ("What do you see?", "everything", ()),
        ("What kind of image is this?", "describe", ()),
        ("How big is the dragon?", "measure", ("dragon",)),
        ("is it malignant?", "decline", ()),
        ("what dose should he get?", "decline", ()),
        ("hello", "unclear", ()),
        ("how wide is it?", "unclear", ()),
    ],
)
def test_first_questions(question, kind, phrases):
    request = read(question)
    assert (request.kind, request.phrases) == (kind, phrases)


@pytest.mark.parametrize(
    ("question", "kind", "phrases"),
    [
        ("What is the cup to disc ratio?", "cup_to_disc", ("optic cup", "optic disc")),
        ("vertical CDR?", "cup_to_disc", ("optic cup", "optic disc")),
        ("What is the cardiothoracic ratio?", "cardiothoracic", ("heart", "lungs")),
        ("what is the ejection fraction?", "ejection", ("left ventricle",)),
        ("How far is the tumour from the liver?", "distance", ("tumour", "liver")),
        ("How far is the cup from the disc?", "distance", ("cup", "disc")),
        ("How far apart are the kidneys?", "distance", ("left kidney", "right kidney")),
        (
            "What is the distance between the centres of the liver and the spleen?",
            "centre_distance",
            ("liver", "spleen"),
        ),
        ("Has the tumour changed between the two scans?", "change", ("tumour",)),
        ("is the lesion larger than in the first scan?", "change", ("lesion",)),
        ("did the disc grow?", "change", ("disc",)),
        ("What share of the liver is tumour?", "share", ("liver", "tumour")),
        ("Is the left lung larger than the right?", "compare", ("left lung", "right lung")),
        ("Are the lungs symmetric?", "symmetry", ("left lung", "right lung")),
        ("How large is the growth?", "measure", ("growth",)),
        ("did it grow?", "unclear", ()),
        ("has anything changed?", "unclear", ()),
    ],
)
def test_questions_about_two(question, kind, phrases):
    request = read(question)
    assert (request.kind, request.phrases) == (kind, phrases)


def test_growth_of_what_was_spoken_of():
    request = read("How large is the tumour?", "did it grow since the first scan?")
    assert (request.kind, request.phrases, request.since_first) == ("change", ("tumour",), True)
    assert not read("How large is the tumour?", "has it changed?").since_first


def test_size_means_area_share_and_both_diameters():
    assert read("How large is the liver?").quantities == SIZE


def test_follow_ups_keep_the_object_or_the_question():
    disc = "how large is the optic disc?"
    assert read(disc, "and what share of the image is that?").quantities == ("fraction_of_image",)
    wide = read(disc, "how wide is it?")
    assert wide.phrases == ("optic disc",)
    assert wide.quantities == ("longest_diameter", "perpendicular_diameter")
    cup = read(disc, "how wide is it?", "what about the cup?", modality="fundus")
    assert (cup.phrases, cup.quantities) == (("cup",), wide.quantities)
    assert read(disc, "in cm?").unit == "cm"


def test_the_other_side():
    assert read("How large is the left lung?", "and the right one?").phrases == ("right lung",)
    assert read("How large are the lungs?", "and the left?").phrases == ("left lung",)
    assert read("How large is the left kidney?", "the other one?").phrases == ("right kidney",)


def test_a_scale_is_taken_over_and_what_was_asked_before_is_measured_anew():
    request = read("how large is the lesion?", "one pixel is 0.3 mm")
    assert (request.kind, request.phrases, request.quantities) == ("scale", ("lesion",), SIZE)
    assert request.scale
    assert request.scale.arguments == {"mm_per_pixel": 0.3}
    both = read("one pixel is 0.3 mm, how wide is the lesion?")
    assert (both.kind, both.quantities) == ("scale", ("longest_diameter", "perpendicular_diameter"))
    after = read("how large is the lesion?", "one pixel is 0.3 mm", "and the liver?")
    assert (after.kind, after.phrases) == ("measure", ("liver",))
    assert read("a pixel is 0.5 by 0.7 mm").kind == "unclear"


@pytest.mark.parametrize(
    ("question", "named"),
    [("眼底血管有多大？", "眼底血管"), ("肝脏有多大", "肝脏"), ("左肺在哪里", "左肺")],
)
def test_of_a_chinese_sentence_the_name_is_taken(question, named):
    assert read(question).phrases == (named,)


@pytest.mark.parametrize(
    "question",
    [
        "Does this patient have pneumonia?",
        "is it melanoma?",
        "Is this a carcinoma?",
        "what's wrong with her?",
        "how old is the fetus?",
        "does my patient have a tumour?",
        "what type of tumour is it?",
        "Is the heart enlarged?",
        "is the left ventricle dilated?",
    ],
)
def test_diagnosis_is_declined_however_it_is_asked(question):
    request = read(question)
    assert (request.kind, request.reason) == ("decline", "diagnosis")


@pytest.mark.parametrize(
    "question",
    ["is there something abnormal in this picture", "any abnormalities?", "anything suspicious?"],
)
def test_what_is_abnormal_is_answered_with_what_is_recognised(question):
    request = read(question)
    assert (request.kind, request.reason) == ("everything", "normality")


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ("give me the width of both lungs in cm", ("lungs",)),
        ("Any mass here?", ("mass",)),
        ("ratio of LV to RV area", ("LV", "RV")),
        ("what is the area of the optic disc", ("optic disc",)),
        ("tumor size please", ("tumor",)),
        ("what is the mean area of the nuclei?", ("nuclei",)),
    ],
)
def test_words_of_measure_and_politeness_belong_to_no_name(question, phrases):
    assert read(question).phrases == phrases


@pytest.mark.parametrize(
    ("question", "phrase", "quantities"),
    [
        ("head circumference?", "fetal head", ("perimeter",)),
        ("what is the HC", "fetal head", ("perimeter",)),
        ("BPD?", "fetal head", ("longest_diameter", "perpendicular_diameter")),
        ("how thick is the wall of the left ventricle?", "myocardium", THICKNESS),
        ("how thick is the retina?", "retina", THICKNESS),
        ("average nucleus size?", "nucleus", ("count", "mean_area")),
        ("how irregular is the mole?", "mole", ("circularity",)),
        ("what is the aspect ratio of the mass", "mass", ("elongation",)),
        ("is the mass taller than wide?", "mass", ("bounding_box",)),
        ("vessel density?", "vessel", ("fraction_of_image",)),
        ("how wide are the vessels?", "vessel", ("thickness",)),
        ("how dense is the lung?", "lung", BRIGHTNESS),
    ],
)
def test_measures_that_have_a_name(question, phrase, quantities):
    request = read(question)
    assert (request.kind, request.phrases, request.quantities) == ("measure", (phrase,), quantities)


def test_a_named_measure_is_of_its_own_object_whatever_was_spoken_of():
    """The wall is not the chamber, and a head's circumference is asked with a scale too."""
    wall = read("how large is the LV?", "wall thickness in mm?")
    assert (wall.phrases, wall.quantities, wall.unit) == (("myocardium",), THICKNESS, "mm")
    head = read("HC if a pixel is 0.2 mm")
    assert (head.kind, head.phrases, head.quantities) == ("scale", ("fetal head",), ("perimeter",))


def test_a_difference_is_between_the_two_that_were_spoken_of():
    request = read("is the left lung larger than the right?", "and what is the difference?")
    assert (request.kind, request.phrases) == ("compare", ("left lung", "right lung"))
    one = read("how large is the left lung?", "and what is the difference?")
    assert one.kind != "compare"


def test_how_sure_it_is_is_asked_of_what_was_spoken_of():
    request = read("how large is the polyp?", "how sure are you?")
    assert (request.kind, request.phrases) == ("sure", ("polyp",))


def test_small_talk_is_answered_and_colours_are_declined():
    assert read("hi").ask_back.startswith("Hello.")
    assert read("how large is the polyp?", "thanks!").ask_back == "You are welcome."
    assert read("what colour is the mole?").reason == "unsupported"
    assert read("which kind of scan is it?").kind == "describe"


@pytest.mark.parametrize(
    ("question", "modality", "phrases"),
    [
        # What makes it another object stays in its name: nobody is answered with the whole liver.
        ("How large is the left hippocampus?", "MRI", ("left hippocampus",)),
        ("How large is the left lobe of the liver?", "CT", ("left lobe of the liver",)),
        ("How large is the head of the pancreas?", "CT", ("head of the pancreas",)),
        ("How big is the right liver lobe?", "CT", ("right liver lobe",)),
        ("How big is the upper lobe of the left lung?", "X-Ray", ("upper lobe of the left lung",)),
        ("How large is the left carotid artery?", "ultrasound", ("left carotid artery",)),
        ("How large is the liver? Right?", "CT", ("liver",)),
        ("How much of the lung is tumour?", "CT", ("lung", "tumour")),
        ("How large is the lesion on the left?", "CT", ("lesion on the left",)),
        ("How big is the polyp in the upper half?", "endoscope", ("polyp in the upper half",)),
        ("Measure the lesion at the top, please", "dermoscopy", ("lesion at the top",)),
        ("How large is the tumour in the left kidney?", "CT", ("tumour", "left kidney")),
        ("Is the lesion on the left?", "dermoscopy", ("lesion",)),
        # Two names that follow on each other are one thing where one of them is a lesion.
        ("How large is the liver tumour?", "CT", ("liver tumour",)),
        ("Is there a left lung tumour?", "CT", ("left lung tumour",)),
        ("How many tumor cells are there?", "pathology", ("tumor cells",)),
        ("How large is the lung tumour?", "CT", ("lung tumour",)),  # this one is known
        ("Measure liver, tumour and spleen", "CT", ("liver", "tumour", "spleen")),
        ("segment liver spleen", "CT", ("liver", "spleen")),
        ("Is the tumour on the left or the right?", "CT", ("tumour",)),
        # Two that share a noun are two.
        (
            "Compare the benign and malignant tumors",
            "ultrasound",
            ("benign tumor", "malignant tumors"),
        ),
        (
            "How large are the anterior and the posterior hippocampus?",
            "MRI",
            ("anterior hippocampus", "posterior hippocampus"),
        ),
        (
            "How thick are the inner and outer retina layers?",
            "OCT",
            ("inner retina layers", "outer retina layers"),
        ),
        # What nobody knows is not left out in silence.
        ("How large is the heart and the left lung?", "X-Ray", ("heart", "left lung")),
        ("Where are the lungs and the spine?", "X-Ray", ("lungs", "spine")),
        ("Is the heart larger than the left lung?", "X-Ray", ("heart", "left lung")),
        ("Is the left lung larger than the heart?", "X-Ray", ("left lung", "heart")),
        ("Is the tumour larger than the last time?", "CT", ("tumour",)),
        ("Is the tumour larger than the first one?", "CT", ("tumour",)),
        ("How large is the liver and the other one?", "CT", ("liver",)),
        # What is sought in an object is asked for, not the object.
        ("Is there fluid in the left lung?", "X-Ray", ("fluid",)),
        ("Are there spots on the lungs?", "X-Ray", ("spots",)),
        ("How large is the white shadow in the liver?", "CT", ("white shadow",)),
        ("How large is the tumour in the liver?", "CT", ("tumour", "liver")),
        ("What is the mean intensity in the liver?", "CT", ("liver",)),
        ("What is the standard deviation in the liver?", "CT", ("liver",)),
        ("How many pixels are there in the liver?", "CT", ("liver",)),
        ("How thick is the central retina?", "OCT", ("central retina",)),
        ("What is the size and the position of the liver?", "CT", ("liver",)),
        ("How large is the tumour, and where is it?", "CT", ("tumour",)),
        ("Compare the polyp and the whole image", "endoscope", ("polyp",)),
        # What is described by what it is or does is found whole, and no more is read into it.
        (
            "How large is the gland behind the stomach that makes insulin?",
            "CT",
            ("gland behind the stomach that makes insulin",),
        ),
        (
            "Compare the chamber that pumps blood to the lungs with the heart muscle",
            "MRI",
            ("chamber that pumps blood to the lungs", "heart muscle"),
        ),
        ("Is the mole irregular?", "dermoscopy", ("mole",)),
        ("Is there a stone in the organ that holds urine?", "CT", ("stone",)),
    ],
)
def test_a_name_keeps_what_makes_it_another_object(question, modality, phrases):
    assert read(question, modality=modality).phrases == phrases


def test_every_name_of_the_ontology_is_found_whole_in_a_question():
    """Also "large bowel", "the lung on the left", "bleeding in the subarachnoid space"."""
    table = json.loads((files("parser_model") / "ontology.json").read_text(encoding="utf-8"))
    lexicon = tomllib.loads((files("parser_model") / "lexicon.toml").read_text(encoding="utf-8"))
    names = ontology()
    wrong = []
    for target, entry in table["targets"].items():
        modality = next(m for m in names.modalities if target in names.targets_in(m))
        for name in (target, *entry["names"], *lexicon[target].get("also", ())):
            found = [
                words for _, words in find_phrases(f"How large is the {name}?", names, modality)
            ]
            if [names.resolve(f, modality) for f in found] != [names.resolve(name, modality)]:
                wrong.append((name, found))
    assert len(table["targets"]) > 50
    assert not wrong


@pytest.mark.parametrize(
    "question",
    [
        "Which lung is larger, the left or the right?",
        "Which of the lungs is bigger?",
        "which lung is the smaller one, left or right?",
    ],
)
def test_which_of_two_sides_names_both(question):
    request = read(question, modality="X-Ray")
    assert request.kind == "compare"
    assert [ontology().resolve(one, "X-Ray") for one in request.phrases] == [
        "left lung",
        "right lung",
    ]


def test_which_of_what_has_no_sides_stays_as_it_was():
    assert read("Which polyp is larger?", modality="endoscope").phrases == ("polyp",)


def test_is_there_anything_in_it_is_no_question_for_the_organ():
    request = read("Is there anything in the left kidney?", modality="CT")
    assert (request.kind, request.reason) == ("everything", "normality")


def test_one_object_more_after_a_comparison_is_measured():
    request = read("Is the LV larger than the RV?", "and the left atrium?", modality="MRI")
    assert (request.kind, request.phrases) == ("measure", ("left atrium",))


def test_one_of_several_is_answered_with_all_of_them():
    request = read("How large is the second polyp?")
    assert (request.kind, request.phrases, request.each_part) == ("measure", ("polyp",), True)
    assert not read("What is the largest diameter of the polyp?").each_part


@pytest.mark.parametrize(
    "question", ["where is the biggest one?", "and where is the smallest one?"]
)
def test_one_of_them_is_one_of_what_was_spoken_of(question):
    request = read("how large is the polyp?", question)
    assert (request.kind, request.phrases) == ("where", ("polyp",))
    assert read(question).kind == "unclear"
