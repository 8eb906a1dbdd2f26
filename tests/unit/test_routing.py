"""What was asked is fitted to what a target can do, or refused with everything that is wrong at once."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filmgate.domain.errors import FieldProblem, UnknownModel
from filmgate.domain.routing import Route, Target
from filmgate.domain.webhook import webhook_fault
from filmgate.services.asked import AskedVideo
from filmgate.services.routing import MAX_SEED, Fitted, RoutingService
from tests.unit.capabilities import CAPABILITY, SIZES, problems_of


def service(**changes: Any) -> RoutingService:
    capability = replace(CAPABILITY, **changes)
    return RoutingService(
        {
            "m-1": Route("m-1", (Target("p", capability),)),
            "m-1-mini": Route("m-1-mini", (Target("p", capability),)),
            "asleep": Route("asleep", ()),
        },
        "m-1",
    )


def fit(prompt: str = "a lake", **asked: Any) -> Fitted:
    return service().fit(AskedVideo(prompt, **asked))


def problem_of(field: str, routing: RoutingService | None = None, **asked: Any) -> FieldProblem:
    found = problems_of(routing or service(), AskedVideo(**{"prompt": "a lake"} | asked))
    (problem,) = [problem for problem in found if problem.field == field]
    return problem


def sizes_in(text: str) -> set[tuple[int, int]]:
    return {size for size in SIZES if f"{size[0]}x{size[1]}" in text}


anything = st.builds(
    AskedVideo,
    prompt=st.text(max_size=250),
    model=st.one_of(st.none(), st.sampled_from(["m-1", "asleep"]), st.text(max_size=20)),
    duration=st.one_of(st.none(), st.floats(), st.floats(0, 30)),
    resolution=st.one_of(
        st.none(),
        st.text(max_size=12),
        st.from_regex(r"\A\d{1,6}[xX×]\d{1,6}\Z"),
        st.from_regex(r"\A\d{1,5}p\Z"),
    ),
    aspect_ratio=st.one_of(st.none(), st.text(max_size=8), st.from_regex(r"\A\d{1,4}:\d{1,4}\Z")),
    seed=st.one_of(st.none(), st.integers()),
    negative_prompt=st.one_of(st.none(), st.text(max_size=20)),
    audio=st.one_of(st.none(), st.booleans()),
    strict=st.booleans(),
    webhook_url=st.one_of(st.none(), st.text(max_size=30), st.just("https://example.com/hook")),
)


@settings(max_examples=300)
@given(anything, st.booleans(), st.sampled_from([None, 0.5, 1.0, 4.0, 7.0]))
def test_whatever_is_asked_is_fitted_to_what_the_target_can_do_or_refused_in_words(
    asked: AskedVideo, everything: bool, step: float | None
) -> None:
    routing = service(step=step, audio=everything, negative_prompt=everything, image_input=everything)
    problems = problems_of(routing, asked)
    if problems:
        return
    fitted = routing.fit(asked)
    request = fitted.request
    assert (request.width, request.height) in SIZES
    assert 1 <= request.seconds <= 20
    assert step is None or (request.seconds - 1) / step == round((request.seconds - 1) / step)
    assert 0 <= request.seed <= MAX_SEED
    assert request.prompt == request.prompt.strip() != ""
    assert everything or not (request.audio or request.negative_prompt)
    assert fitted.price == CAPABILITY.price.times(request.seconds)


@given(anything)
def test_a_text_that_the_database_cannot_keep_is_never_let_through(asked: AskedVideo) -> None:
    if not problems_of(service(), asked):
        request = service().fit(asked).request
        for text in (request.prompt, request.negative_prompt or "", asked.webhook_url or ""):
            assert "\x00" not in text
            text.encode()


def test_all_problems_of_a_request_are_told_at_once() -> None:
    asked = AskedVideo("", duration=99, resolution="9x9", aspect_ratio="wide", seed=-1, webhook_url="ftp://x")
    assert [problem.field for problem in problems_of(service(), asked)] == [
        "aspect_ratio",
        "resolution",
        "duration",
        "prompt",
        "seed",
        "webhookUrl",
    ]


def test_a_request_without_a_model_goes_to_the_default_one() -> None:
    assert fit().model == "m-1"


def test_a_model_is_taken_by_its_name() -> None:
    assert fit(model="m-1-mini").model == "m-1-mini"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("M-1-Mni", "Did you mean m-1-mini or m-1?"), ("qqqqqqqqqqqq", "See GET /api/v1/models.")],
)
def test_an_unknown_model_is_refused_with_near_names(name: str, suggestion: str) -> None:
    problem = problem_of("model", model=name)
    assert (problem.code, problem.suggestion) == ("model_not_found", suggestion)
    assert problem.allowed == ("m-1", "m-1-mini")


def test_an_unknown_model_of_a_megabyte_is_not_repeated_whole() -> None:
    assert len(problem_of("model", model="x" * 1_000_000).message) < 200


def test_a_model_that_nobody_is_set_up_to_serve_says_so() -> None:
    problem = problem_of("model", model="asleep")
    assert problem.message == 'No provider is set up for "asleep".'
    assert "key of a provider" in (problem.suggestion or "")


def test_a_default_model_that_is_not_there_asks_for_a_name() -> None:
    with pytest.raises(UnknownModel, match="no default model"):
        RoutingService({}, "m-9").fit(AskedVideo("a lake"))


@pytest.mark.parametrize(
    "prompt", ["a\nlake\r\n\tat dusk", "夕日の湖 🌅", "e\u0301toile", "\u202eekal a", "a\u200db"]
)
def test_a_prompt_in_any_script_is_taken_as_it_is(prompt: str) -> None:
    assert fit(prompt).request.prompt == prompt


@pytest.mark.parametrize("bad", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\ud800"])
def test_a_control_character_in_a_prompt_is_refused_by_its_number(bad: str) -> None:
    assert f"U+{ord(bad):04X}" in problem_of("prompt", prompt=f"a{bad}b").message


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\ud800"])
def test_a_control_character_in_a_negative_prompt_is_refused_by_its_number(bad: str) -> None:
    assert f"U+{ord(bad):04X}" in problem_of("negativePrompt", negative_prompt=f"a{bad}b").message


@pytest.mark.parametrize("prompt", ["", " ", "\n\t ", "\u3000"])
def test_a_prompt_of_nothing_is_refused(prompt: str) -> None:
    assert problem_of("prompt", prompt=prompt).code == "required"


def test_a_prompt_may_be_as_long_as_the_target_takes_and_no_longer() -> None:
    assert fit("x" * 200).request.prompt == "x" * 200
    problem = problem_of("prompt", prompt="x" * 201)
    assert problem.code == "too_long"
    assert "201" in problem.message
    assert "200" in problem.message


@given(
    low=st.integers(1, 8),
    span=st.integers(0, 20),
    step=st.sampled_from([None, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0]),
    wanted=st.one_of(st.none(), st.floats(-5, 60), st.integers(0, 40).map(float)),
)
def test_the_length_that_is_suggested_or_chosen_is_one_that_can_be_made(
    low: int, span: int, step: float | None, wanted: float | None
) -> None:
    routing = service(min_seconds=float(low), max_seconds=float(low + span), step=step)
    asked = AskedVideo("a lake", duration=wanted)
    problems = problems_of(routing, asked)
    if problems:
        (problem,) = problems
        assert problem.field == "duration"
        assert problem.allowed
        suggested = float((problem.suggestion or "").removeprefix("The nearest it can do is ").rstrip("."))
        asked = AskedVideo("a lake", duration=suggested)
        assert not problems_of(routing, asked)
    seconds = routing.fit(asked).request.seconds
    assert low <= seconds <= low + span
    if step is not None:
        assert ((seconds - low) / step).is_integer()


def test_the_nearest_length_is_the_nearest_of_those_that_can_be_made() -> None:
    routing = service(min_seconds=4.0, max_seconds=12.0, step=4.0)
    for wanted, nearest in [(1, 4), (5.9, 4), (6.1, 8), (9, 8), (11, 12), (99, 12)]:
        problem = problem_of("duration", routing, duration=float(wanted))
        assert problem.suggestion == f"The nearest it can do is {nearest}."
        assert "4 to 12 s in steps of 4 s" in problem.message
    assert routing.fit(AskedVideo("a lake")).request.seconds == 4


@pytest.mark.parametrize("wanted", [float("nan"), float("inf"), float("-inf"), 1e300])
@pytest.mark.parametrize("step", [None, 4.0])
def test_a_length_that_is_no_length_is_refused(wanted: float, step: float | None) -> None:
    problem_of("duration", service(step=step), duration=wanted)


@pytest.mark.parametrize(
    ("resolution", "aspect", "size"),
    [
        (None, None, (1280, 720)),
        ("1280x720", None, (1280, 720)),
        ("1280X720", "16:9", (1280, 720)),
        ("1280×720", None, (1280, 720)),
        ("720p", None, (1280, 720)),
        ("720p", "9:16", (720, 1280)),
        ("1024p", "1:1", (1024, 1024)),
        ("1024p", "7:4", (1792, 1024)),
        ("480p", None, (854, 480)),
        ("480p", "16:9", (854, 480)),
        (None, "9:16", (720, 1280)),
        (None, "1:1", (1024, 1024)),
        (None, "32:18", (1280, 720)),
    ],
)
def test_a_size_can_be_asked_for_in_many_ways(
    resolution: str | None, aspect: str | None, size: tuple[int, int]
) -> None:
    request = fit(resolution=resolution, aspect_ratio=aspect).request
    assert (request.width, request.height) == size


@given(st.integers(10, 5000), st.integers(10, 5000))
def test_a_size_that_cannot_be_made_is_refused_with_the_nearest_that_can(width: int, height: int) -> None:
    asked = AskedVideo("a lake", resolution=f"{width}x{height}")
    problems = problems_of(service(), asked)
    if (width, height) in SIZES:
        assert not problems
        return
    (problem,) = problems
    assert problem.field == "resolution"
    assert problem.allowed == tuple(f"{size[0]}x{size[1]}" for size in SIZES)
    assert len(sizes_in(problem.suggestion or "")) == 1


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [("1300x730", "1280x720"), ("1080x1920", "720x1280"), ("300x300", "360x360"), ("2000x2000", "1024x1024")],
)
def test_the_nearest_size_keeps_the_shape(wanted: str, nearest: str) -> None:
    assert problem_of("resolution", resolution=wanted).suggestion == f"The nearest it can do is {nearest}."


def test_a_shape_that_contradicts_the_size_is_refused_with_a_size_of_that_shape() -> None:
    problem = problem_of("aspect_ratio", resolution="1280x720", aspect_ratio="9:16")
    assert problem.suggestion == "Leave aspect_ratio out, or ask for 720x1280."


@pytest.mark.parametrize("aspect", ["", "wide", "16x9", "0:9", "16:0", "0:0", "1:2:3", "-1:2"])
def test_a_shape_that_is_none_is_refused_with_those_that_can_be_made(aspect: str) -> None:
    problem = problem_of("aspect_ratio", aspect_ratio=aspect)
    assert problem.suggestion == "Write it as 16:9."
    assert problem.allowed is not None
    assert set(problem.allowed) == {"16:9", "9:16", "1:1", "7:4"}


def test_a_shape_that_cannot_be_made_is_refused_with_the_nearest() -> None:
    assert problem_of("aspect_ratio", aspect_ratio="21:9").suggestion == "The nearest it can do is 16:9."


def test_a_size_of_no_common_shape_is_named_by_its_pixels() -> None:
    routing = service(sizes=((1000, 300),))
    assert problem_of("aspect_ratio", routing, aspect_ratio="1:1").allowed == ("1000:300",)


@pytest.mark.parametrize("resolution", ["", "large", "720", "1280 x 720", "x720", "123456x720", "12345p"])
def test_a_size_that_is_none_is_refused_with_how_to_write_it(resolution: str) -> None:
    assert "1280x720" in (problem_of("resolution", resolution=resolution).suggestion or "")


@pytest.mark.parametrize("resolution", ["00x00", "1280x00", "00x720", "000p"])
@pytest.mark.parametrize("aspect", [None, "16:9", "1:1"])
def test_a_size_of_nothing_is_refused(resolution: str, aspect: str | None) -> None:
    assert problems_of(service(), AskedVideo("a lake", resolution=resolution, aspect_ratio=aspect))


def test_a_video_without_a_seed_gets_a_fresh_one() -> None:
    assert len({fit().request.seed for _ in range(20)}) > 1


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    assert str(MAX_SEED) in problem_of("seed", seed=seed).message


@pytest.mark.parametrize("seed", [0, MAX_SEED])
def test_a_seed_in_range_is_kept(seed: int) -> None:
    assert fit(seed=seed).request.seed == seed


@pytest.mark.parametrize(
    ("asked", "can", "sound"), [(None, True, True), (None, False, False), (False, True, False)]
)
def test_a_film_has_sound_unless_it_cannot_or_shall_not(asked: bool | None, can: bool, sound: bool) -> None:
    fitted = service(audio=can).fit(AskedVideo("a lake", audio=asked))
    assert fitted.request.audio is sound
    assert not fitted.adjustments


LEFT_OUT = [("audio", "audio", True), ("negative_prompt", "negativePrompt", "rain")]


@pytest.mark.parametrize(("name", "field", "value"), LEFT_OUT)
def test_what_the_target_cannot_do_is_left_out_and_said(name: str, field: str, value: Any) -> None:
    routing = service(audio=False, negative_prompt=False)
    fitted = routing.fit(AskedVideo("a lake", **{name: value}))
    (adjustment,) = fitted.adjustments
    assert adjustment.startswith(f"{field} left out")
    assert not getattr(fitted.request, name)


@pytest.mark.parametrize(("name", "field", "value"), LEFT_OUT)
def test_what_the_target_cannot_do_is_refused_when_strict(name: str, field: str, value: Any) -> None:
    routing = service(audio=False, negative_prompt=False)
    problem = problem_of(field, routing, strict=True, **{name: value})
    assert problem.code == "unsupported"
    assert f"Leave {field} out" in (problem.suggestion or "")


def test_an_image_that_the_target_cannot_take_is_refused_even_when_not_strict() -> None:
    problem = problem_of(
        "inputReference", service(image_input=False), input_reference="data:image/png;base64,"
    )
    assert problem.code == "unsupported"


@pytest.mark.parametrize("url", ["https://example.com/hook", "http://10.0.0.1:8080/x?y=z", "https://[::1]/"])
def test_an_address_that_can_be_called_is_fine(url: str) -> None:
    assert webhook_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user:pass@example.com/",
        "https://user@example.com/",
        "https://exa mple.com/",
        "https://example.com/\n",
        "https://example.com/a\x00b",
        "https://[::1",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://example.com/" + "x" * 2048,
    ],
)
def test_an_address_that_can_never_be_called_is_refused_in_a_sentence(url: str) -> None:
    fault = webhook_fault(url)
    assert fault is not None
    assert fault.endswith(".")
