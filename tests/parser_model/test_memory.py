"""The memory of encoded images keeps its budget."""

import numpy as np

from parser_model.memory import FeatureMemory, content_key, forget_unused


def test_second_request_is_remembered():
    memory = FeatureMemory[bytes](100, len)
    calls = []

    def compute() -> bytes:
        calls.append(1)
        return b"x" * 10

    first = memory.get("a", compute)
    again = memory.get("a", compute)
    assert (first[1], again[1], len(calls)) == (True, False, 1)


def test_least_recently_used_goes_first_and_bytes_stay_bounded():
    memory = FeatureMemory[bytes](25, len)
    for key in "ab":
        memory.get(key, lambda: b"x" * 10)
    memory.get("a", lambda: b"")
    memory.get("c", lambda: b"x" * 10)
    assert memory.held_bytes == 20
    assert memory.get("a", lambda: b"x" * 10)[1] is False
    assert memory.get("b", lambda: b"x" * 10)[1] is True


def test_an_entry_larger_than_the_budget_is_used_but_not_kept():
    memory = FeatureMemory[bytes](5, len)
    assert memory.get("a", lambda: b"x" * 10)[0] == b"x" * 10
    assert memory.held_bytes == 0


def test_key_tells_shapes_apart():
    row, column = np.zeros((1, 6, 3), np.uint8), np.zeros((6, 1, 3), np.uint8)
    assert content_key(row) != content_key(column)
    assert content_key(row) == content_key(row.copy())


def test_what_was_not_used_for_long_is_forgotten():
    now = [0.0]
    memory = FeatureMemory[bytes](100, len, clock=lambda: now[0])
    memory.put("a", b"x" * 10)
    memory.put("b", b"x" * 10)
    now[0] = 5
    assert memory.peek("a")
    now[0] = 12
    forget_unused(10)
    assert memory.held_bytes == 10
    assert memory.peek("b") is None
    now[0] = 15
    forget_unused(10)  # used at 5
    assert memory.held_bytes == 0
    memory.put("a", b"y" * 10)
    assert memory.peek("a") == b"y" * 10
