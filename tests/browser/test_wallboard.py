"""The wallboard in Chromium: its numbers are the API's, it says when they are old, and anybody can use it."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from service.domain.alert_record import Alert, fingerprint_of
from tests.browser.conftest import Floor
from tests.support.broken_off import BrokenOff

SLOW_MS = 30_000


def tile(page: Page, queue: str) -> Any:
    return page.locator(f'.tile[data-queue="{queue}"]')


def opened(page: Page, floor: Floor, query: str = "") -> Page:
    page.goto(floor.url + query)
    expect(tile(page, "sales")).to_be_attached(timeout=SLOW_MS)
    return page


def percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio * 100:.0f} %"


def test_every_tile_says_what_the_api_says(page: Page, floor: Floor) -> None:
    opened(page, floor)
    for queue in floor.ask("/v1/queues?windows=15m,day")["items"]:
        found = tile(page, queue["id"])
        expect(found.locator("h2")).to_have_text(queue["name"])
        expect(found.locator(".ratio")).to_have_text(percent(queue["windows"]["15m"]["service_level_ratio"]))
        expect(found.locator(".waiting")).to_have_text(str(queue["now"]["waiting"]))
        day = queue["windows"]["day"]
        expect(found.locator(".counts")).to_have_text(f"{day['answered']} / {day['offered']}")
        for state in ("available", "not_ready"):
            expect(found.locator(f".staff .{state} b")).to_have_text(str(queue["now"][f"agents_{state}"]))
    expect(tile(page, "sales").locator(".promise")).to_contain_text(
        "target 80 % in 20 s · last 15 min · abandon_ignored"
    )


def test_the_oldest_wait_grows_by_the_clock(page: Page, floor: Floor) -> None:
    opened(page, floor)

    def seconds() -> int:
        minutes, rest = tile(page, "sales").locator(".oldest").inner_text().split(":")
        return int(minutes) * 60 + int(rest)

    first = seconds()
    page.wait_for_function(
        "first => { const [m, s] = document.querySelector('.tile[data-queue=sales] .oldest').textContent.split(':');"
        " return +m * 60 + +s >= first + 3; }",
        arg=first,
    )
    assert abs(seconds() - floor.ask("/v1/queues/sales")["now"]["oldest_wait_seconds"]) < 5


def test_what_happens_is_on_the_screen_soon(page: Page, floor: Floor) -> None:
    """Each new caller is seen; how long that took is printed, since a busy machine proves nothing."""
    opened(page, floor)
    took = []
    for number in range(20):
        floor.now().centre.queued(f"n{number}", "service")
        started = time.monotonic()
        floor.publish()
        expect(tile(page, "service").locator(".waiting")).to_have_text(str(number + 1), timeout=SLOW_MS)
        took.append(time.monotonic() - started)
    took.sort()
    print(f"\nfrom the topic to the screen: median {took[10] * 1000:.0f} ms, longest {took[-1] * 1000:.0f} ms")


def test_a_lost_connection_is_said_and_heals(page: Page, floor: Floor) -> None:
    opened(page, floor)
    status = page.locator("#status")
    expect(status).to_have_class("live", timeout=SLOW_MS)
    floor.stop()
    expect(status).to_have_class("lost", timeout=SLOW_MS)
    expect(status).to_contain_text("figures are old")
    expect(page.locator("body")).to_have_class(re.compile("old"))
    floor.now().centre.queued("later", "service")
    floor.publish()
    floor.start()
    expect(status).to_have_class("live", timeout=SLOW_MS)
    expect(tile(page, "service").locator(".waiting")).to_have_text("1", timeout=SLOW_MS)
    expect(page.locator("body")).not_to_have_class(re.compile("old"))


@pytest.mark.parametrize(
    ("query", "path", "seen"),
    [("", r"/v1/queues/sales/intervals", ".tile[data-queue=sales] .spark .day"),
     ("?view=agents", r"/v1/agents\?", "tr[data-agent='1001']")],
    ids=["line-of-the-day", "agents"],
)  # fmt: skip
def test_an_answer_that_breaks_off_midway_is_asked_for_again(
    page: Page, floor: Floor, query: str, path: str, seen: str
) -> None:
    """As the answer of a replica that is killed while it speaks; an error in a script fails the test."""
    with BrokenOff() as broken:
        page.route(re.compile(path), lambda route: route.continue_(url=broken.url))
        with page.expect_event("requestfailed", lambda request: request.url == broken.url, timeout=SLOW_MS):
            page.goto(floor.url + query)
        expect(page.locator("#status")).to_have_class("live", timeout=SLOW_MS)
        expect(page.locator(seen)).to_have_count(0)
        page.unroute_all()
    expect(page.locator(seen)).to_have_count(1, timeout=SLOW_MS)


def test_a_feed_that_stopped_is_told_from_a_connection_that_did(page: Page, floor: Floor) -> None:
    opened(page, floor)
    status = page.locator("#status")
    expect(status).to_have_class("stale", timeout=90_000)
    expect(status).to_contain_text("stale: newest event")
    floor.now().centre.agent_state("1001", "ready")
    floor.publish()
    expect(status).to_have_class("live", timeout=SLOW_MS)


def test_filters_are_in_the_address_and_a_link_shows_the_same(page: Page, floor: Floor) -> None:
    opened(page, floor)
    page.locator("select[name=site]").select_option("wien")
    expect(tile(page, "sales")).to_be_hidden()
    expect(tile(page, "service")).to_be_visible()
    assert "site=wien" in page.url
    page.goto(page.url)
    expect(tile(page, "service")).to_be_visible(timeout=SLOW_MS)
    expect(tile(page, "sales")).to_be_hidden()
    page.locator("input[name=find]").fill("nothing like that")
    expect(page.locator("#empty")).to_be_visible()


def test_chinese_and_english(page: Page, floor: Floor) -> None:
    opened(page, floor, "?lang=zh")
    expect(tile(page, "sales").locator("dt").first).to_have_text("当前排队数")
    page.locator("select[name=lang]").select_option("en")
    expect(tile(page, "sales").locator("dt").first).to_have_text("waiting")
    assert page.locator("html").get_attribute("lang") == "en"


def test_a_tv_shows_large_figures_and_nothing_to_touch(page: Page, floor: Floor) -> None:
    opened(page, floor, "?tv=1")
    expect(page.locator("#filters")).to_be_hidden()
    size = tile(page, "sales").locator(".ratio").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 90
    page.keyboard.press("Escape")
    expect(page.locator("#filters")).to_be_visible()


def test_on_every_page_of_a_tv_it_is_seen_whether_the_figures_live(page: Page, floor: Floor) -> None:
    page.set_viewport_size({"width": 1920, "height": 400})
    opened(page, floor, "?tv=1")
    page.evaluate("window.scrollTo({ top: 9999, behavior: 'instant' })")
    assert page.evaluate("scrollY") > 0
    expect(page.locator("#status")).to_be_in_viewport(ratio=1)


def test_all_of_a_full_house_fits_its_tile_on_a_tv(page: Page, floor: Floor) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    opened(page, floor, "?tv=1")
    over = """tile => {
        tile.querySelector(".ratio").textContent = "100 %";
        tile.querySelector(".counts").textContent = "1662 / 1700";
        const parts = [...tile.querySelectorAll(".level, dl")].filter(part => part.scrollWidth > part.clientWidth);
        return parts.map(part => part.innerText);
    }"""
    assert tile(page, "sales").evaluate(over) == []


def test_only_the_filters_of_what_is_shown_are_there(page: Page, floor: Floor) -> None:
    opened(page, floor)
    of_queues, of_agents = page.locator("select[name=channel]"), page.locator("select[name=team]")
    expect(of_queues).to_be_visible()
    expect(of_agents).to_be_hidden()
    page.locator("select[name=view]").select_option("agents")
    expect(of_queues).to_be_hidden()
    expect(of_agents).to_be_visible()


def test_the_agents_board_says_what_the_api_says(page: Page, floor: Floor) -> None:
    opened(page, floor, "?view=agents")
    for agent in floor.ask("/v1/agents")["items"]:
        row = page.locator(f'tr[data-agent="{agent["id"]}"]')
        expect(row.locator("td").nth(0)).to_have_text(agent["team"] or "", timeout=SLOW_MS)
        expect(row.locator("td").nth(1)).to_have_text(agent["state"].replace("_", " "))
        expect(row.locator("td").nth(2)).to_have_text(agent["state_reason"] or "")


def told(floor: Floor, **more: Any) -> Alert:
    """An alert as the evaluator writes it."""
    now_ms = floor.now().centre.now_ms
    alert = Alert(
        fingerprint=fingerprint_of("oldest_wait", "queue:sales"), rule="oldest_wait", kind="threshold",
        severity="page", scope="queue:sales", state="firing", since_ms=now_ms - 60_000, fired_ms=now_ms - 30_000,
        updated_ms=now_ms, episode=1, message="sales: somebody waits for 5 minutes", labels={"queue": "sales"}, **more,
    )  # fmt: skip
    produce_alert(floor, alert)
    return alert


def produce_alert(floor: Floor, alert: Alert) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=floor.broker.bootstrap)
    producer.send("cti.alerts", msgspec.json.encode(alert), alert.fingerprint.encode(), partition=0).get(10)
    producer.close()


def test_an_alert_is_shown_and_taken_in_hand_with_the_keyboard_alone(page: Page, floor: Floor) -> None:
    opened(page, floor)
    expect(page.locator("#alerts")).to_be_hidden()
    told(floor)
    expect(page.locator("#alerts .message")).to_have_text("sales: somebody waits for 5 minutes", timeout=SLOW_MS)
    expect(page.locator("#alerts .severity")).to_have_text("urgent")
    page.locator("#alerts button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ack")).to_be_visible()
    page.locator("#ack-who").fill("Ann")
    with page.expect_response(lambda answer: answer.url.endswith("/ack")) as answer:
        page.keyboard.press("Enter")
    assert answer.value.status == 202
    expect(page.locator("#ack")).to_be_hidden()


def test_a_page_in_chinese_says_an_alert_in_chinese_where_its_rule_does(page: Page, floor: Floor) -> None:
    opened(page, floor, "?lang=zh")
    told(floor, message_zh="sales 有客户已等待 5 分钟")
    expect(page.locator("#alerts .message")).to_have_text("sales 有客户已等待 5 分钟", timeout=SLOW_MS)
    expect(page.locator("#alerts button")).to_have_attribute("aria-label", "认领: sales 有客户已等待 5 分钟")
    told(floor)
    expect(page.locator("#alerts .message")).to_have_text("sales: somebody waits for 5 minutes", timeout=SLOW_MS)


@pytest.mark.parametrize("query", ["?theme=dark", "?theme=light", "?view=agents", "?lang=zh&theme=light", "?tv=1"])
def test_axe_finds_nothing_to_object_to(page: Page, floor: Floor, query: str) -> None:
    opened(page, floor, query)
    told(floor)
    expect(page.locator("#alerts .message")).to_be_attached(timeout=SLOW_MS)
    found = Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


def test_judgement_does_not_hang_on_colour(page: Page, floor: Floor) -> None:
    opened(page, floor)
    words = tile(page, "sales").locator(".judged").inner_text()
    mark = tile(page, "sales").locator(".mark").inner_text()
    assert (words, mark) in {("below target", "▼"), ("target met", "▲")}


def test_five_hundred_queues(page: Page, floor: Floor) -> None:
    """All are there, the worst first, the rest by name; the page answers between two updates. It prints long tasks."""
    page.add_init_script(
        "window.tasks = []; new PerformanceObserver(list => list.getEntries().forEach(e => tasks.push(e.duration)))"
        ".observe({type: 'longtask', buffered: true});"
    )
    for number in range(500):
        floor.centre.queued(f"q{number}", f"many{number:03}")
    floor.now().publish()
    opened(page, floor)
    expect(page.locator(".tile")).to_have_count(503, timeout=60_000)
    for place, queue in enumerate(("sales", "mail", "many000", "many001")):  # only sales is below its target
        expect(page.locator(".tile").nth(place)).to_have_attribute("data-queue", queue)
    page.evaluate("tasks.length = 0")
    floor.now().centre.queued("one more", "many250")
    floor.publish()
    expect(tile(page, "many250").locator(".waiting")).to_have_text("2", timeout=SLOW_MS)
    tasks = page.evaluate("tasks")
    print(f"\nlong tasks of 503 tiles: {len(tasks)}, the longest {max(tasks, default=0):.0f} ms")
