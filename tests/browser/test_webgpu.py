"""The WebGPU demo as a user sees it: in a browser with a graphics processor (in software), and in one without."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, ViewportSize, expect

from fakes.handwriting import DIGITS, Stroke
from fakes.mnist import all_test_digits
from fakes.node_packages import installed
from fakes.pictures import blank_png, png

Screenshot = Callable[[Page, str], None]
READY_MS = 90_000
WINDOW = ViewportSize(width=1100, height=900)
NOTHING = "\N{EN DASH}"  # in the digit's place
PEN_DOWN = {"pointerType": "pen", "button": "left", "buttons": 1, "clickCount": 1}  # for the browser's own protocol
SWIFTSHADER = "google swiftshader (software, no real GPU)"

# Runs the page's own recogniser on many images and returns what the model said, number by number.
RUN_ALL = """
async ([provider, encoded]) => {
  const { app, runtime, modelSha256 } = document.documentElement.dataset;
  const { Recogniser, loadModel, loadRuntime } = await import(`${app}recogniser.js`);
  const model = await loadModel(`${app}mnist.onnx`, modelSha256);
  const recogniser = await Recogniser.create(await loadRuntime(runtime, null), model, provider);
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const logits = [];
  let handedToGpu = 0;
  for (let start = 0; start < bytes.length; start += 784) {
    const result = await recogniser.recognise(Float32Array.from(bytes.subarray(start, start + 784)));
    logits.push(Array.from(result.logits));
    handedToGpu += recogniser.submissionsOfLastRun > 0;
  }
  return { logits, handedToGpu };
}
"""


class Demo:
    """What can be done on the page, and what can be seen."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.goto(address)

    def ready(self) -> Demo:
        expect(self.page.locator("#measure")).to_be_enabled(timeout=READY_MS)
        return self

    @property
    def pad(self) -> Locator:
        return self.page.locator("#pad")

    @property
    def state(self) -> Locator:
        return self.page.locator("#state")

    @property
    def problem(self) -> Locator:
        return self.page.locator("#pad-problem")

    @property
    def digits(self) -> Locator:
        """The digit that was read, once for each provider."""
        return self.page.locator(".verdict .digit")

    def fresh(self) -> Demo:
        """As after loading, but for the times: what runs by default, empty paper, no complaint, no question at work."""
        self.page.unroute_all()
        self.choose("WebGPU")
        self.clear()
        expect(self.problem).to_be_hidden()
        expect(self.page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
        return self

    def choose(self, provider: str) -> None:
        self.page.get_by_label(provider, exact=True).check()
        self.ready()

    def clear(self) -> None:
        self.page.get_by_role("button", name="Clear").click()
        expect(self.digits.first).to_have_text(NOTHING)

    def draw(self, strokes: list[Stroke]) -> None:
        self.pad.scroll_into_view_if_needed()
        box = self.pad.bounding_box()
        assert box
        for stroke in strokes:
            points = [(box["x"] + x / 100 * box["width"], box["y"] + y / 100 * box["height"]) for x, y in stroke]
            self.page.mouse.move(*points[0])
            self.page.mouse.down()
            for point in points[1:]:
                self.page.mouse.move(*point)
            self.page.mouse.up()

    def read(self) -> list[str]:
        """What is read, once the page is done with the last stroke: it speaks a moment after, and only then."""
        spoken = self.page.locator("#verdict-text")
        spoken.evaluate("it => { it.textContent = '' }")
        expect(spoken).to_have_text(re.compile("^Read as "))
        return self.digits.all_inner_texts()

    def give(self, content: bytes, name: str = "picture.png", kind: str = "image/png") -> None:
        self.page.locator("#file").set_input_files(FilePayload(name=name, mimeType=kind, buffer=content))


@pytest.fixture
def gpu_page(browser_with_gpu: Browser) -> Iterator[Page]:
    page = browser_with_gpu.new_page(viewport=WINDOW)
    yield page
    page.close()


@pytest.fixture(scope="module")
def one_with_gpu(browser_with_gpu: Browser, demo_address: str) -> Iterator[Demo]:
    """One page for many tests: to load it takes seconds, and they begin where a loaded page does; see `Demo.fresh`."""
    with contextlib.closing(browser_with_gpu.new_page(viewport=WINDOW)) as page:
        yield Demo(page, demo_address).ready()


@pytest.fixture(scope="module")
def one_without_gpu(browser: Browser, demo_address: str) -> Iterator[Demo]:
    with contextlib.closing(browser.new_page(viewport=WINDOW)) as page:
        yield Demo(page, demo_address).ready()


@pytest.fixture
def with_gpu(one_with_gpu: Demo) -> Demo:
    return one_with_gpu.fresh()


@pytest.fixture
def without_gpu(one_without_gpu: Demo) -> Demo:
    """What has nothing to do with WebGPU is tried here, where runs take less time."""
    return one_without_gpu.fresh()


# --- the model: the same on every provider ---


@pytest.mark.parametrize("provider", [pytest.param("webgpu", marks=pytest.mark.full), "wasm"])
def test_500_digits_are_read_as_by_the_native_runtime(with_gpu: Demo, provider: str) -> None:
    test = all_test_digits().every(20)
    seen = with_gpu.page.evaluate(RUN_ALL, [provider, base64.b64encode(test.images.tobytes()).decode()])
    logits = np.array(seen["logits"], dtype=np.float32)
    assert logits.shape == (500, 10)
    assert seen["handedToGpu"] == (500 if provider == "webgpu" else 0)
    assert np.array_equal(logits.argmax(axis=1), test.logits.argmax(axis=1))
    off = np.abs(logits - test.logits).max(axis=1) / np.abs(test.logits).max(axis=1)
    assert off.max() < 1e-3


@pytest.mark.full
def test_twenty_drawn_digits_are_right_on_both_providers(with_gpu: Demo) -> None:
    with_gpu.choose("both side by side")
    expect(with_gpu.state).to_contain_text(f"It runs on WebGPU: {SWIFTSHADER}. The last run handed work to it")
    expect(with_gpu.state).to_contain_text("It also runs on wasm")
    read = []
    for _, strokes in DIGITS:
        with_gpu.clear()
        with_gpu.draw(strokes)
        read.append(with_gpu.read())
    assert read == [[str(digit)] * 2 for digit, _ in DIGITS]
    assert len(DIGITS) == 20


def test_shares_are_probabilities(with_gpu: Demo) -> None:
    with_gpu.draw(DIGITS[0][1])
    expect(with_gpu.digits).to_have_text(["0"])
    shares = [float(text.rstrip(" %")) for text in with_gpu.page.locator(".bars .percent").all_inner_texts()]
    assert len(shares) == 10
    assert max(shares) == shares[0]
    assert sum(shares) == pytest.approx(100, abs=0.5)


# --- which provider runs, and how fast ---


def test_says_what_runs_and_how_fast(gpu_page: Page, demo_address: str) -> None:
    with_gpu = Demo(gpu_page, demo_address).ready()  # nothing was measured before
    expect(with_gpu.state).to_have_text(
        re.compile(rf"^It runs on WebGPU: {re.escape(SWIFTSHADER)}\. The last run handed work to it")
    )
    with_gpu.choose("wasm")
    expect(with_gpu.state).to_have_text(re.compile(r"^It runs on wasm(, \d threads)?\.$"))
    with_gpu.choose("both side by side")
    expect(with_gpu.state).to_contain_text("It runs on WebGPU")
    expect(with_gpu.state).to_contain_text("It also runs on wasm")
    with_gpu.page.get_by_role("button", name="Test digit").click()
    expect(with_gpu.digits).to_have_text(["0", "0"])
    with_gpu.page.get_by_role("button", name="Run it 100 times").click()
    rows = with_gpu.page.locator("#times tr")
    expect(rows).to_have_count(2)
    for row in rows.all():
        expect(row.locator("td").last).to_have_text("100", timeout=60_000)
        load, first, median, p95 = [float(text) for text in row.locator("td").all_inner_texts()[:4]]
        assert load > 0
        assert first > 0
        assert 0 < median <= p95


def test_threads_are_possible(without_gpu: Demo) -> None:
    assert without_gpu.page.evaluate("crossOriginIsolated") is True


def test_without_an_adapter_says_so_and_wasm_takes_over(without_gpu: Demo, screenshot: Screenshot) -> None:
    expect(without_gpu.state).to_have_text(
        re.compile(r"^WebGPU is not to be had: .*no graphics processor.*\. It runs on wasm.*\.$")
    )
    without_gpu.draw(DIGITS[-1][1])
    expect(without_gpu.digits).to_have_text(["9"])
    screenshot(without_gpu.page, "no-adapter")


def test_a_browser_without_webgpu_is_told_apart(page: Page, demo_address: str) -> None:
    page.add_init_script("delete Navigator.prototype.gpu")
    demo = Demo(page, demo_address).ready()
    expect(demo.state).to_contain_text("WebGPU is not to be had: this browser has no WebGPU")
    expect(demo.state).to_contain_text("It runs on wasm")


def test_a_gpu_that_fails_is_told_and_wasm_takes_over(gpu_page: Page, demo_address: str) -> None:
    gpu_page.add_init_script("GPUAdapter.prototype.requestDevice = async () => { throw new Error('device lost') }")
    demo = Demo(gpu_page, demo_address).ready()
    expect(demo.state).to_have_text(re.compile(r"^WebGPU is not to be had: .*device lost.*It runs on wasm"))
    demo.draw(DIGITS[2][1])
    expect(demo.digits).to_have_text(["1"])


# --- ways to bring a digit ---


def on_paper(digit: NDArray[np.uint8]) -> bytes:
    """The digit as somebody would photograph it: ten times as large, dark on grey paper, off the middle."""
    photo = np.full((500, 700), 215, dtype=np.uint8)
    photo[60:340, 330:610] -= (digit.repeat(10, axis=0).repeat(10, axis=1) * 0.7).astype(np.uint8)
    return png(photo)


def test_uploaded_pictures_are_cut_and_centred(without_gpu: Demo) -> None:
    test = all_test_digits()
    firsts = [int(np.argmax(test.digits == digit)) for digit in range(10)]
    for digit, index in enumerate(firsts):
        without_gpu.clear()
        without_gpu.give(on_paper(test.images[index]))
        expect(without_gpu.digits).to_have_text([str(digit)])


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_can_be_pasted_and_dropped(without_gpu: Demo, way: str) -> None:
    test = all_test_digits()
    picture = base64.b64encode(on_paper(test.images[int(np.argmax(test.digits == 4))])).decode()
    without_gpu.page.evaluate(
        """async ([way, picture]) => {
          const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
          const carried = new DataTransfer();
          carried.items.add(new File([bytes], "four.png", { type: "image/png" }));
          const event = way === "paste"
            ? new ClipboardEvent("paste", { clipboardData: carried, bubbles: true })
            : new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
          document.querySelector("#pad").dispatchEvent(event);
        }""",
        [way, picture],
    )
    expect(without_gpu.digits).to_have_text(["4"])


def test_the_keyboard_draws(without_gpu: Demo) -> None:
    without_gpu.pad.focus()
    keyboard = without_gpu.page.keyboard
    keyboard.press("Space")
    for _ in range(14):
        keyboard.press("ArrowDown")
    keyboard.press("Space")
    expect(without_gpu.digits).to_have_text(["1"])
    expect(without_gpu.page.locator("#verdict-text")).to_have_text(re.compile(r"^Read as 1, \d+\.\d %\.$"))
    keyboard.press("Delete")
    expect(without_gpu.digits).to_have_text([NOTHING])


@pytest.fixture(scope="module")
def phone(browser: Browser, demo_address: str) -> Iterator[Demo]:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as context:
        yield Demo(context.new_page(), demo_address).ready()


@pytest.mark.parametrize("pointer", ["touch", "pen"])
def test_finger_and_pen_draw(phone: Demo, pointer: str) -> None:
    demo = phone.fresh()
    demo.pad.scroll_into_view_if_needed()
    box = demo.pad.bounding_box()
    assert box
    wire = demo.page.context.new_cdp_session(demo.page)
    ((stroke,),) = [strokes for digit, strokes in DIGITS if digit == 7][:1]
    points = [{"x": box["x"] + x / 100 * box["width"], "y": box["y"] + y / 100 * box["height"]} for x, y in stroke]
    for number, point in enumerate(points):
        if pointer == "touch":
            kind = "touchStart" if number == 0 else "touchMove"
            wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        else:
            kind = "mousePressed" if number == 0 else "mouseMoved"
            wire.send("Input.dispatchMouseEvent", {"type": kind, **point, **PEN_DOWN})
    if pointer == "touch":
        wire.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        wire.send("Input.dispatchMouseEvent", {"type": "mouseReleased", **points[-1], **PEN_DOWN, "buttons": 0})
    expect(demo.digits).to_have_text(["7"])


# --- what can go wrong ---


NOISE = png(np.random.default_rng(1).integers(0, 256, (80, 80), dtype=np.uint8))
BAD_FILES: list[tuple[str, bytes, str]] = [
    ("huge.png", blank_png(8192, 6144), "has 50 megapixels; up to 32 work"),
    ("invoice.png", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "is a PDF document, not a picture"),
    ("cut.png", NOISE[: len(NOISE) // 2], "begins like a PNG picture, but the rest can't be read"),
    ("mixed.png", NOISE[:60] + NOISE[:60:-1], "begins like a PNG picture, but the rest can't be read"),
    ("empty.png", b"", "is empty"),
    ("white.png", blank_png(64, 64), "nothing on this picture that looks like ink"),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD_FILES, ids=[name for name, *_ in BAD_FILES])
def test_a_bad_file_is_told_and_the_page_goes_on(without_gpu: Demo, name: str, content: bytes, said: str) -> None:
    without_gpu.give(content, name)
    expect(without_gpu.problem).to_be_visible()
    expect(without_gpu.problem).to_contain_text(said)
    without_gpu.draw(DIGITS[0][1])
    expect(without_gpu.digits).to_have_text(["0"])
    expect(without_gpu.problem).to_be_hidden()


def test_an_empty_paper_is_told(without_gpu: Demo) -> None:
    without_gpu.page.get_by_role("button", name="Run it 100 times").click()
    expect(without_gpu.problem).to_contain_text("The paper is empty. Draw a digit first")


def test_a_damaged_model_is_told(page: Page, demo_address: str) -> None:
    def damage(route: Route) -> None:
        model = bytearray(route.fetch().body())
        model[5000] ^= 1
        route.fulfill(body=bytes(model), content_type="application/octet-stream")

    page.route("**/mnist.onnx", damage)
    demo = Demo(page, demo_address)
    expect(demo.state).to_contain_text("The model's file is damaged", timeout=READY_MS)
    expect(page.locator("#measure")).to_be_disabled()


@pytest.mark.parametrize(("file", "said"), [("mnist.onnx", "model could not be loaded"), ("*.min.mjs", "ONNX Runtime")])
def test_a_missing_file_is_told(page: Page, demo_address: str, file: str, said: str) -> None:
    page.route(f"**/{file}", lambda route: route.fulfill(status=404, body="{}"))
    demo = Demo(page, demo_address)
    expect(demo.state).to_contain_text(said, timeout=READY_MS)
    expect(demo.state).to_contain_text("python3 scripts/up.py")


# --- the box that asks Foundry Local ---


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()


def test_the_answer_streams_with_its_speed(without_gpu: Demo) -> None:
    page = without_gpu.page
    page.evaluate(
        """() => {
          window.lengths = [];
          const answer = document.querySelector("#answer");
          const observer = new MutationObserver(() => window.lengths.push(answer.textContent.length));
          observer.observe(answer, { childList: true });
        }"""
    )
    ask(page, "What is the capital of France?")
    expect(page.locator("#answer-facts")).to_have_text(
        re.compile(r"^\S+:\d+\. First token after \d+\.\d\d s, then \d+\.\d tokens/s \(\d+ tokens\)\.$"),
        timeout=READY_MS,
    )
    expect(page.locator("#answer")).to_contain_text("Paris")
    lengths = page.evaluate("window.lengths")
    assert len([length for length in lengths if length > 0]) > 2, "it came at once"
    assert lengths == sorted(lengths)


def test_an_answer_can_be_stopped(without_gpu: Demo) -> None:
    page = without_gpu.page
    ask(page, "Write a long story about a sailor and the sea.")
    expect(page.locator("#answer")).to_have_text(re.compile(r"\w+ \w+ \w+"), timeout=READY_MS)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#answer-facts")).to_contain_text("Stopped.")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    expect(page.locator("#answer-problem")).to_be_hidden()


def openai_error(code: str) -> Callable[[Route], None]:
    error: dict[str, Any] = {"error": {"message": "for programs", "type": "stack_error", "code": code}}
    return lambda route: route.fulfill(status=503, json=error)


AWAY: list[tuple[str, Callable[[Route], None], str]] = [
    ("relay", openai_error("relay-down"), "its relay on this machine does not answer"),
    ("foundry", openai_error("foundry-not-running"), "Foundry Local is not running"),
    ("model", lambda route: route.fulfill(json=[]), "no model is loaded"),
    ("page", lambda route: route.abort(), "own server can't be reached"),
]


@pytest.mark.parametrize(
    ("answer", "said"), [(answer, said) for _, answer, said in AWAY], ids=[each[0] for each in AWAY]
)
def test_what_is_away_is_told(without_gpu: Demo, answer: Callable[[Route], None], said: str) -> None:
    page = without_gpu.page
    page.route("**/models/loaded", answer)
    ask(page, "Hello?")
    expect(page.locator("#answer-problem")).to_be_visible()
    expect(page.locator("#answer-problem")).to_contain_text(said)
    expect(page.locator("#answer-problem")).to_contain_text("python3 scripts/up.py")
    page.unroute("**/models/loaded")
    ask(page, "What is the capital of France?")
    expect(page.locator("#answer")).to_contain_text("Paris", timeout=READY_MS)
    expect(page.locator("#answer-problem")).to_be_hidden()


# --- for everybody, and from here only ---


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(1100, "light", marks=pytest.mark.full),
        pytest.param(390, "dark", marks=pytest.mark.full),
        pytest.param(1100, "dark", marks=pytest.mark.full),
        pytest.param(390, "light", marks=pytest.mark.full),
    ],
)
def test_usable_and_good_to_look_at(
    browser_with_gpu: Browser, demo_address: str, scheme: Any, width: int, screenshot: Screenshot
) -> None:
    page = browser_with_gpu.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)
    demo = Demo(page, demo_address).ready()
    demo.choose("both side by side")
    demo.draw(DIGITS[4][1])
    expect(demo.digits).to_have_text(["2", "2"])
    ask(page, "What is the capital of France?")
    expect(page.locator("#answer-facts")).to_contain_text("First token", timeout=READY_MS)
    screenshot(page, f"{scheme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "wider than the window"
    page.route("**/models/loaded", openai_error("relay-down"))
    ask(page, "Hello?")
    demo.give(b"", "empty.png")
    expect(demo.problem).to_be_visible()
    page.evaluate((installed() / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious] == []
    page.close()
