"""Hosts that meet over an image: who builds, who copies from whom, and who waits for whom. Threads, but no engine."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from loop_fakes import FakeClock

from tools.errors import ImageError, Interrupted
from utils.plan import HostTarget
from utils.runtime import image_exchange
from utils.runtime.image_exchange import MOST_COPIES, ImageExchange, Wanted

IMAGE = Wanted("accelmark/cpu-x:0123", "amd64")
HOSTS = [HostTarget(f"node{rank}", rank, ssh=True) for rank in range(6)]


def exchange_of(*hosts, has=(), **more):
    """An exchange at which all hosts have arrived; those in `has` have the image."""
    exchange = ImageExchange([host.host for host in hosts], **more)
    for host in hosts:
        exchange.arrive(host, [IMAGE] if host in has else [], lacks=host not in has)
    return exchange


def go_on():
    """Nothing was interrupted."""


def interrupted():
    raise Interrupted("by the user")


def test_where_nobody_has_it_the_first_who_asks_builds_and_the_next_copies():
    exchange = exchange_of(*HOSTS[:2])
    assert exchange.source_for(HOSTS[0], IMAGE, go_on) is None
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(exchange.source_for, HOSTS[1], IMAGE, go_on)
        exchange.made(HOSTS[0], IMAGE)
        assert waiting.result(60) == HOSTS[0]


def test_a_host_that_comes_later_and_has_it_is_waited_for():
    exchange = ImageExchange(["node0", "node1"])
    exchange.arrive(HOSTS[0], [], lacks=True)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(exchange.source_for, HOSTS[0], IMAGE, go_on)
        exchange.arrive(HOSTS[1], [IMAGE], lacks=False)
        assert waiting.result(60) == HOSTS[1]


def test_a_host_that_never_comes_is_waited_for_so_long_only():
    clock = FakeClock()
    exchange = ImageExchange(["node0", "node1"], clock)
    exchange.arrive(HOSTS[0], [], lacks=True)
    clock.now += image_exchange.ARRIVAL_SECONDS
    assert exchange.source_for(HOSTS[0], IMAGE, go_on) is None


def test_copies_are_spread_over_those_who_have_it():
    exchange = exchange_of(*HOSTS, has=HOSTS[:2])
    assert [exchange.source_for(host, IMAGE, go_on).host for host in HOSTS[2:]] == ["node0", "node1", "node0", "node1"]


def test_one_host_gives_so_many_copies_at_a_time(monkeypatch):
    monkeypatch.setattr(image_exchange, "LOOK_SECONDS", 0.001)
    exchange = exchange_of(*HOSTS, has=HOSTS[:1])
    for host in HOSTS[1 : MOST_COPIES + 1]:
        exchange.source_for(host, IMAGE, go_on)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(exchange.source_for, HOSTS[5], IMAGE, go_on)
        exchange.copied(HOSTS[0], IMAGE)
        assert waiting.result(60) == HOSTS[0]


def test_a_lost_source_is_not_asked_again():
    exchange = exchange_of(*HOSTS[:3], has=HOSTS[:2])
    assert exchange.source_for(HOSTS[2], IMAGE, go_on) == HOSTS[0]
    exchange.copied(HOSTS[0], IMAGE, lost=True)
    assert exchange.source_for(HOSTS[2], IMAGE, go_on) == HOSTS[1]
    exchange.copied(HOSTS[1], IMAGE, lost=True)
    assert exchange.source_for(HOSTS[2], IMAGE, go_on) is None


@pytest.mark.parametrize("end", ["leave", "not_made"])
def test_when_the_one_that_builds_is_lost_or_fails_the_next_one_builds(end):
    exchange = exchange_of(*HOSTS[:2])
    assert exchange.source_for(HOSTS[0], IMAGE, go_on) is None
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(exchange.source_for, HOSTS[1], IMAGE, go_on)
        exchange.leave(HOSTS[0]) if end == "leave" else exchange.not_made(HOSTS[0], IMAGE, "step 3 failed")
        assert waiting.result(60) is None


def test_what_three_hosts_could_not_build_the_fourth_does_not_try():
    exchange = exchange_of(*HOSTS[:4])
    for host in HOSTS[:3]:
        exchange.source_for(host, IMAGE, go_on)
        exchange.not_made(host, IMAGE, f"{host.host}: step 3 failed")
    with pytest.raises(ImageError, match="node3: no host has .*:0123, and node0, node1, node2 could not build it: node0: step 3"):
        exchange.source_for(HOSTS[3], IMAGE, go_on)
    with pytest.raises(ImageError, match="^node1: step 3 failed$"):
        exchange.source_for(HOSTS[1], IMAGE, go_on)


def test_a_host_that_cannot_build_it_gets_it_from_the_one_that_can():
    exchange = exchange_of(*HOSTS[:2])
    exchange.source_for(HOSTS[0], IMAGE, go_on)
    exchange.not_made(HOSTS[0], IMAGE, "node0: no base image")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(exchange.source_for, HOSTS[0], IMAGE, go_on)
        assert exchange.source_for(HOSTS[1], IMAGE, go_on) is None
        exchange.made(HOSTS[1], IMAGE)
        assert waiting.result(60) == HOSTS[1]


def test_another_architecture_is_another_image():
    exchange = exchange_of(*HOSTS[:2], has=HOSTS[:1])
    assert exchange.source_for(HOSTS[1], Wanted(IMAGE.tag, "arm64"), go_on) is None


def test_a_wait_has_a_deadline(monkeypatch):
    monkeypatch.setattr(image_exchange, "WAIT_SECONDS", 0.0)
    exchange = exchange_of(*HOSTS[:2])
    exchange.source_for(HOSTS[0], IMAGE, go_on)
    with pytest.raises(ImageError, match="node1: no host gave or built"):
        exchange.source_for(HOSTS[1], IMAGE, go_on)
    exchange.await_others(HOSTS[0], go_on)


def test_a_wait_can_be_interrupted():
    exchange = exchange_of(*HOSTS[:2])
    exchange.source_for(HOSTS[0], IMAGE, go_on)
    with pytest.raises(Interrupted):
        exchange.source_for(HOSTS[1], IMAGE, interrupted)
    with pytest.raises(Interrupted):
        exchange.await_others(HOSTS[1], interrupted)


def test_nobody_measures_before_everybody_has_got_it_or_is_gone():
    exchange = exchange_of(*HOSTS[:3], has=HOSTS[:1])
    with ThreadPoolExecutor() as pool:
        giver, taker = (pool.submit(exchange.await_others, host, go_on) for host in HOSTS[:2])
        assert not giver.done()
        assert not taker.done()
        exchange.leave(HOSTS[2])
        assert (giver.result(60), taker.result(60)) == (None, None)
