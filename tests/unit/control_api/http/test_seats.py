from control_api.http.seats import Seats


def test_an_address_has_so_many_and_the_others_do_not_notice():
    seats = Seats(total=10, per_address=3)
    assert [seats.take("192.0.2.1") for _ in range(5)] == [True, True, True, False, False]
    assert seats.take("192.0.2.2")
    seats.leave("192.0.2.1")
    assert seats.take("192.0.2.1")
    assert seats.refused == {"address": 2}


def test_there_are_so_many_in_all():
    seats = Seats(total=3, per_address=3)
    assert [seats.take(f"192.0.2.{n}") for n in range(5)] == [True, True, True, False, False]
    assert (seats.taken, seats.refused) == (3, {"total": 2})
    seats.leave("192.0.2.0")
    assert seats.take("192.0.2.9")


def test_an_ipv6_customer_is_one_address():
    seats = Seats(per_address=2)
    assert [seats.take(f"2001:db8::{n}") for n in range(3)] == [True, True, False]
    assert seats.take("2001:db8:0:1::1")


def test_a_proxy_counts_in_all_only():
    seats = Seats(total=5, per_address=1)
    assert [seats.take(None) for _ in range(6)] == [True] * 5 + [False]
    for _ in range(5):
        seats.leave(None)
    assert (seats.taken, seats.addresses) == (0, 0)


def test_who_is_gone_is_forgotten():
    seats = Seats(total=5, per_address=5)
    for number in range(1000):
        assert seats.take(f"192.0.{number >> 8}.{number & 255}")
        seats.leave(f"192.0.{number >> 8}.{number & 255}")
    assert (seats.taken, seats.addresses) == (0, 0)
