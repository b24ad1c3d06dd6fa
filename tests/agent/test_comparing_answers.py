"""What the offline planner says of comparisons: no number of its own, nothing surer than it is."""

import re

import pytest

from agent.evidence import Renderer
from agent.planner.comparing import compared
from agent.planner.phrasing import Result


def found(name, scan="scan-1", *, present=True, known=True, parts=1):
    return {
        "id": f"mask-{name}", "scan": scan, "phrase": name, "target": name if known else None,
        "known": known, "present": present, "parts": parts, "in_volume": False,
    }  # fmt: skip


def entry(number, name, of, value, low=None, high=None, unit="mm2"):
    made = {"id": f"m-{number}", "object": f"mask-{of}", "name": name, "value": value, "unit": unit}
    return made if low is None else {**made, "low": low, "high": high}


def answer(kind, objects, content):
    segmented = Result("segment", {}, {"objects": objects, "can_look_for": ["liver", "spleen"]})
    results = [segmented] + ([Result("compare", {}, content)] if content else [])
    return compared(kind, results)


def own_numbers(text):
    """Numbers in an answer that no measurement stands behind."""
    renderer = Renderer({}, said="")
    renderer.feed(re.sub(r"\[\[.*?\]\]", "it", text))
    renderer.finish()
    return renderer.unverified


def sizes(first, second):
    return [entry(8, "area", "a", *first), entry(9, "area", "b", *second)]


PAIR = [found("a"), found("b")]


def two(name, first=(10,), second=(5,), more=(), larger="mask-a"):
    return {
        "first": "mask-a", "second": "mask-b", "larger": larger,
        "measurements": [entry(1, name, "a", 2.0), *more, *sizes(first, second)],
    }  # fmt: skip


def test_larger_is_as_sure_as_the_ranges():
    apart = answer("compare", PAIR, two("ratio", (10, 9, 11), (5, 4, 6)))
    assert "The a is larger; the area of the a over the b is [[m-1]]." in apart
    assert "overlap" not in apart
    near = answer("compare", PAIR, two("ratio", (10, 4, 11), (5, 4, 6)))
    assert "may be the other way round" in near
    assert "equally large" in answer("compare", PAIR, two("ratio", larger="equal"))


def change(direction, sure, recist=None, objects=None):
    objects = objects or [found("a"), {**found("b", "scan-2"), "phrase": "a"}]
    content = {
        "first": "mask-a", "second": "mask-b", "direction": direction, "sure": sure,
        "measurements": [
            entry(1, "change", "b", 5.0), entry(2, "change", "b", 50.0),
            *sizes((10,), (15,)),
            entry(3, "count", "a", 1), entry(4, "count", "b", 2),
            entry(5, "sum_of_diameters", "a", 20), entry(6, "sum_of_diameters", "b", 30),
            {**entry(7, "change", "b", 50.0), "of": "sum_of_diameters"},
        ],
    }  # fmt: skip
    if recist:
        content["recist"] = recist
    return answer("change", objects, content)


def test_a_change_that_the_ranges_leave_open_is_called_so():
    assert "The a grew: from [[m-8]] in scan-1 to [[m-9]] in scan-2" in change("grew", True)
    assert "may not have changed" not in change("grew", True)
    assert "may not have changed" in change("grew", False)
    assert "may not have changed" not in change("grew", None)  # without ranges nothing is known


@pytest.mark.parametrize(
    ("possible", "known", "said"),
    [
        (["stable disease"], True, "and the ranges allow no other category"),
        (["stable disease"], False, "that is stable disease. New lesions"),
        (
            ["stable disease", "progressive disease"], True,
            "but within the ranges it could also be progressive disease",
        ),
    ],
)  # fmt: skip
def test_the_category_comes_with_those_that_are_possible(possible, known, said):
    recist = {"category": "stable disease", "possible": possible, "ranges_known": known}
    text = change("grew", False, recist)
    assert "from [[m-5]] to [[m-6]] ([[m-7]])" in text
    assert said in text
    assert "no diagnosis" in text


def test_what_is_missing_is_named():
    alone = answer("change", [found("a")], None)
    assert "add that scan too" in alone
    heart = answer("cardiothoracic", [found("heart", known=False, present=False), found("b")], None)
    assert 'do not know what "heart" is' in heart
    assert "liver, spleen" in heart
    gone = [found("a", present=False), {**found("b", "scan-2", present=False), "phrase": "a"}]
    assert "On scan-1: I don't see an a" in answer("change", gone, None)
    assert "another object" in answer("compare", [found("a")], None)


def test_no_answer_has_a_number_of_its_own():
    ratio = entry(2, "asymmetry", "a", 3.0)
    recist = {"category": "stable disease", "possible": ["stable disease"], "ranges_known": True}
    others = [found("a"), {**found("b", "scan-2", parts=2), "phrase": "a"}]
    texts = [
        answer("compare", PAIR, two("ratio", (10, 4, 11), (5, 4, 6))),
        answer("share", PAIR, two("fraction_of")),
        answer("distance", PAIR, two("distance")),
        answer("centre_distance", PAIR, two("distance")),
        answer("symmetry", PAIR, two("ratio", (10, 4, 11), (5, 4, 6), more=[ratio])),
        answer("cup_to_disc", PAIR, two("ratio", more=[entry(2, "ratio", "a", 3.0)])),
        answer("cardiothoracic", PAIR, two("ratio")),
        answer("ejection", PAIR, two("ejection_fraction")),
        answer("ejection", PAIR, two("fractional_area_change")),
        change("grew", False, recist, others),
        change("shrank", True, recist, others),
        change("appeared", None, None, others),
        change("disappeared", None, recist, others),
        change("unchanged", None, None, others),
        *(
            answer(kind, [found("a")], None)
            for kind in ("change", "ejection", "cup_to_disc", "compare")
        ),
    ]
    assert [own_numbers(text) for text in texts] == [[] for _ in texts]
    assert not any("None" in text for text in texts)
