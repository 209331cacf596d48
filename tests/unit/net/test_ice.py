import pytest
from aioice import stun as aioice_stun

from sfu.net import stun
from sfu.net.ice import CONSENT_S, MAX_ADDRESSES, CheckOutcome, IceLite

MAPPED = ("192.0.2.7", 50123)


def datagram(ice: IceLite, pwd: str | None = None) -> bytes:
    message = aioice_stun.Message(
        aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST, attributes={"USERNAME": f"{ice.ufrag}:peer"}
    )
    message.add_message_integrity((pwd or ice.pwd).encode())
    return bytes(message)


def check(
    ice: IceLite,
    address: str,
    now: float = 0.0,
    *,
    nominate: bool = False,
    pwd: str | None = None,
    signed: bool = True,
    **extra: object,
) -> CheckOutcome:
    attributes: dict[str, object] = {"USERNAME": f"{ice.ufrag}:peer", **extra}
    if nominate:
        attributes["USE-CANDIDATE"] = None
    message = aioice_stun.Message(aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST, attributes=attributes)
    if signed:
        message.add_message_integrity((pwd or ice.pwd).encode())
    request = stun.parse_binding_request(bytes(message))
    assert request is not None
    return ice.handle_check(request, address, MAPPED, now)


def error_code(outcome: CheckOutcome) -> int | None:
    return aioice_stun.parse_message(outcome.response).error_code


@pytest.fixture
def ice() -> IceLite:
    return IceLite.generate()


def test_credentials_are_long_and_new_each_time() -> None:
    made = [IceLite.generate() for _ in range(50)]
    assert all(len(ice.ufrag) >= 4 and len(ice.pwd) >= 22 for ice in made)
    assert len({ice.ufrag for ice in made}) == len({ice.pwd for ice in made}) == 50


@pytest.mark.parametrize(("ufrag", "pwd"), [("abc", "p" * 22), ("abcd", "p" * 21), ("a" * 257, "p" * 22)])
def test_short_credentials_are_refused(ufrag: str, pwd: str) -> None:
    with pytest.raises(ValueError):
        IceLite(ufrag, pwd)


def test_a_valid_check_is_answered_with_the_mapped_address(ice: IceLite) -> None:
    outcome = check(ice, "a")
    answer = aioice_stun.parse_message(outcome.response)
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == MAPPED
    assert answer.check_message_integrity(ice.pwd.encode())
    assert outcome.error is None
    assert outcome.selection_changed


@pytest.mark.parametrize(
    ("kwargs", "code"),
    [({"signed": False}, 400), ({"pwd": "x" * 22}, 401), ({"ICE-CONTROLLED": 1}, 487)],
)
def test_refused_checks_teach_nothing(ice: IceLite, kwargs: dict[str, object], code: int) -> None:
    outcome = check(ice, "a", nominate=True, **kwargs)  # type: ignore[arg-type]
    assert outcome.error == code == error_code(outcome)
    assert ice.selected is None
    assert ice.addresses == ()
    assert ice.consent_expires_at is None


def test_the_first_valid_address_is_used_until_one_is_nominated(ice: IceLite) -> None:
    check(ice, "a")
    assert not check(ice, "b").selection_changed
    assert ice.selected == "a"
    assert check(ice, "b", nominate=True).selection_changed
    assert not check(ice, "a").selection_changed
    assert ice.selected == "b"


def test_the_latest_nomination_wins(ice: IceLite) -> None:
    for address in ("a", "b", "a", "c"):
        check(ice, address, nominate=True)
        assert ice.selected == address


def test_consent_lasts_thirty_seconds_from_the_last_valid_check(ice: IceLite) -> None:
    check(ice, "a", now=100.0)
    assert ice.consent_expires_at == 130.0
    check(ice, "a", now=110.0)
    assert ice.consent_expires_at == 140.0
    check(ice, "a", now=120.0, pwd="x" * 22)
    assert ice.consent_expires_at == 140.0


def test_a_check_after_expiry_restores_consent_on_the_path_it_came_by(ice: IceLite) -> None:
    check(ice, "a", now=0.0, nominate=True)
    assert not check(ice, "b", now=CONSENT_S - 0.001).consent_restored
    outcome = check(ice, "b", now=2 * CONSENT_S)
    assert outcome.consent_restored
    assert outcome.selection_changed
    assert ice.selected == "b"


def test_the_least_recently_checked_address_makes_room_but_never_the_selected_one(ice: IceLite) -> None:
    for i in range(MAX_ADDRESSES):
        assert check(ice, f"a{i}").forgotten is None
    check(ice, "a1")
    assert check(ice, "new").forgotten == "a2"
    assert ice.selected == "a0"
    assert len(ice.addresses) == MAX_ADDRESSES


def test_an_address_lost_to_another_transport(ice: IceLite) -> None:
    check(ice, "a", nominate=True)
    check(ice, "b")
    check(ice, "c")
    assert not ice.forget("b")
    assert ice.forget("a")
    assert ice.selected == "c"
    assert ice.forget("c")
    assert ice.selected is None


def test_a_repeated_check_renews_consent(ice: IceLite) -> None:
    assert ice.answer_repeated(datagram(ice), "a", 0.0) is None
    check(ice, "a")
    response = ice.answer_repeated(datagram(ice), "a", 20.0)
    assert response is not None
    assert aioice_stun.parse_message(response).attributes["XOR-MAPPED-ADDRESS"] == MAPPED
    assert ice.consent_expires_at == 20.0 + CONSENT_S


def test_a_repeated_check_is_read_where_more_than_consent_hangs_on_it(ice: IceLite) -> None:
    check(ice, "a", nominate=False)
    assert ice.answer_repeated(datagram(ice, "q" * 22), "a", 1.0) is None
    assert ice.answer_repeated(datagram(ice), "b", 1.0) is None
    assert ice.answer_repeated(datagram(ice), "a", CONSENT_S) is None
    assert ice.consent_expires_at == CONSENT_S
    check(ice, "b", 1.0)
    assert ice.answer_repeated(datagram(ice), "b", 2.0) is None
    assert ice.answer_repeated(datagram(ice), "a", 4.0) is not None
    ice.forget("a")
    assert ice.answer_repeated(datagram(ice), "a", 5.0) is None
