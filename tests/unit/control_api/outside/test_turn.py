from control_api.outside.turn import CREDENTIAL_LIFETIME_S, TurnServers

URLS = ("turn:turn.example:3478?transport=udp", "turns:turn.example:5349?transport=tcp")


def test_the_password_is_what_a_turn_server_computes():
    # openssl dgst -sha1 -hmac "north" -binary <<< (the name, without a newline) | base64
    (entry,) = TurnServers(URLS, b"north", clock=lambda: 1_000_000_000.9)("7d1c")
    assert entry.urls == URLS
    assert entry.username == f"{1_000_000_000 + CREDENTIAL_LIFETIME_S}:7d1c" == "1000043200:7d1c"
    assert entry.credential == "LTeqyDXAd+KcBE5r3Ecdfh7yufA="


def test_every_participant_has_credentials_of_their_own():
    servers = TurnServers(URLS, b"north", clock=lambda: 0.0)
    (one,), (other,) = servers("a"), servers("b")
    assert one.username != other.username
    assert one.credential != other.credential


def test_the_secret_is_in_the_password():
    (one,), (other,) = (TurnServers(URLS, secret, clock=lambda: 0.0)("a") for secret in (b"north", b"south"))
    assert one.username == other.username
    assert one.credential != other.credential
