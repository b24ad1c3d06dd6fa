"""A table on disk: continued after any end, never mixed, never a formula."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parser_model import RequestError
from tools.cohort import COLUMNS, Settings, Source, Table, failure_row

SETTINGS = Settings(("liver",), "folder", None, None, "shapes", "fp32", "1", None, None, None)


def some_rows(number: int, name: str, count: int):
    start = failure_row(number, Source(name, Path(name)), "")
    return [{**start, "row": "total", "error": None, "part": n or None} for n in range(count)]


def filled(path: Path, upto: int = 5) -> bytes:
    table = Table(path, SETTINGS)
    for number in range(1, upto):
        name = f"{number}, ü.png"
        if (name, "") not in table.done:
            table.add(some_rows(number, name, number))
    table.close()
    return path.read_bytes()


def test_a_table_reads_back_in_the_python_library(tmp_path):
    filled(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == COLUMNS
    assert [row["file"] for row in read] == [f"{n}, ü.png" for n in range(1, 5) for _ in range(n)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_a_run_killed_at_any_byte_is_continued_to_the_same_table(tmp_path, share):
    path = tmp_path / "t.csv"
    for old in tmp_path.iterdir():
        old.unlink()
    whole = filled(path)
    beside = tmp_path / "t.csv.settings.json"
    ended_in_order = beside.read_text()
    beside.write_text(ended_in_order.replace('"rows": 10', '"rows": 0'))
    path.write_bytes(whole[: round(share * len(whole))])
    if path.stat().st_size == 0:
        path.unlink()
    assert filled(path) == whole
    assert beside.read_text() == ended_in_order


def test_what_is_complete_is_not_measured_again(tmp_path):
    filled(tmp_path / "t.csv", 4)
    table = Table(tmp_path / "t.csv", SETTINGS)
    assert table.done == {(f"{n}, ü.png", "") for n in (1, 2, 3)}
    assert (table.last_number, table.measured) == (3, 3)
    table.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"phrases": ("liver", "spleen")}, "other phrases"),
        ({"weights_sha256": "1"}, "other weights"),
        ({"scale": 0.3}, "another scale"),
        ({"folder": "elsewhere"}, "another folder"),
        ({"modality": "CT", "ranges": "x"}, "another modality and another calibration of ranges"),
    ],
)
def test_a_table_of_other_settings_is_not_mixed(tmp_path, change, says):
    before = filled(tmp_path / "t.csv")
    with pytest.raises(RequestError, match=says):
        Table(tmp_path / "t.csv", replace(SETTINGS, **change))
    assert (tmp_path / "t.csv").read_bytes() == before


@pytest.mark.parametrize("beside", [None, "[]", '{"settings": 3, "rows": 1}'])
def test_another_file_of_that_name_is_left_alone(tmp_path, beside):
    path = tmp_path / "t.csv"
    path.write_text("name,age\nx,3\n")
    if beside is not None:
        (tmp_path / "t.csv.settings.json").write_text(beside)
    with pytest.raises(RequestError, match="another name"):
        Table(path, SETTINGS)
    assert path.read_text() == "name,age\nx,3\n"


def test_a_table_that_another_program_changed_is_left_alone(tmp_path):
    path = tmp_path / "t.csv"
    changed = filled(path).replace(b"\n", b"\r\n")
    path.write_bytes(changed)
    with pytest.raises(RequestError, match="another program changed it"):
        Table(path, SETTINGS)
    assert path.read_bytes() == changed


def test_two_runs_do_not_write_one_table(tmp_path):
    table = Table(tmp_path / "t.csv", SETTINGS)
    with pytest.raises(RequestError, match="Another run"):
        Table(tmp_path / "t.csv", SETTINGS)
    table.close()


def test_texts_are_no_formulas(tmp_path):
    table = Table(tmp_path / "t.csv", SETTINGS)
    row = {**failure_row(1, Source("a", Path("a")), "+x\ny"), "phrase": "=cmd()", "presence": -1.5}
    table.add([row])
    table.close()
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        (read,) = csv.DictReader(file)
    assert (read["phrase"], read["error"], read["presence"]) == ("'=cmd()", "'+x y", "-1.5")
