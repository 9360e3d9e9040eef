"""A table is aligned, and cut to the width of the terminal."""

from charrnn.cli.table import cut, display_width, table

ROWS = [["name", "size"], ["a", "1"], ["a long name", "100"]]


def test_columns_are_aligned_to_the_left_or_the_right() -> None:
    assert table(ROWS, right={1}) == [
        "name         size",
        "a               1",
        "a long name   100",
    ]


def test_a_table_that_is_too_wide_is_cut_in_the_columns_that_may_be() -> None:
    assert table(ROWS, right={1}, shortest={0: 4}, width=12) == [
        "name    size",
        "a          1",
        "a lon…   100",
    ]
    assert table(ROWS, shortest={0: 4}, width=5)[2] == "a l…  100"


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert (display_width("日本"), display_width("e\u0301")) == (4, 1)
    assert (cut("日本語", 6), cut("日本語", 5), cut("日本語", 4)) == ("日本語", "日本…", "日…")
