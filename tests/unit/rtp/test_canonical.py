from sfu.rtp import canonical


def test_ids_are_unique_and_leave_room():
    ids = sorted(canonical.EXTENSION_IDS.values())
    assert ids == list(range(1, canonical.FIRST_FREE_EXTENSION_ID))


def test_the_servers_own_extensions_are_hop_by_hop():
    own = {uri for uri, number in canonical.EXTENSION_IDS.items() if number in (1, 2)}
    assert own == {canonical.TRANSPORT_CC_URI, canonical.ABS_SEND_TIME_URI}
    assert own <= canonical.HOP_BY_HOP_URIS
