from sfu.net.address import address_key, format_address, sockaddr
from sfu.net.destinations import NOWHERE, DestinationTable


def test_the_destination_table_grows_and_keeps_what_it_has() -> None:
    table = DestinationTable()
    slots = [table.add() for _ in range(600)]
    assert len(set(slots)) == 600
    table.point(slots[0], 3, address_key("192.0.2.1", 5))
    table.add()
    more = [table.add() for _ in range(600)]
    assert not set(more) & set(slots)
    assert table.socket_of[slots[0]] == 3
    assert format_address(table.keys[slots[0]]) == "192.0.2.1:5"
    table.release(slots[0])
    assert table.socket_of[slots[0]] == -1


def test_a_slot_leads_where_it_was_pointed_last() -> None:
    table = DestinationTable()
    slot = table.add()
    assert table.socket_of[slot] == NOWHERE
    for socket_index, host in ((1, "2001:db8::1"), (0, "192.0.2.1")):
        key = address_key(host, 5000)
        table.point(slot, socket_index, key)
        name = sockaddr(key)
        assert table.names[slot, : len(name)].tobytes() == name
        assert table.socket_of[slot] == socket_index
    table.clear(slot)
    assert table.socket_of[slot] == NOWHERE


def test_a_released_slot_is_the_last_to_be_given_again() -> None:
    table = DestinationTable()
    first = table.add()
    table.release(first)
    assert table.add() != first
