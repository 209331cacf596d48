from control_api.commands.tables import table


def test_columns_line_up():
    assert table(("ID", "TITLE"), [("1", "a"), ("22222", "bcd")]) == "ID     TITLE\n1      a\n22222  bcd"


def test_nothing_in_a_cell_reaches_the_terminal_as_a_command():
    shown = table(("T",), [("a\x1b[31mb\n\u202ec\x07",)])
    assert shown == "T\na [31mb  c"
