"""Images that come with a request are recognised by their bytes, or refused with what to do."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.services.references import MAX_IMAGE_BYTES, read_reference

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(8)
WAVE = b"RIFF\x10\x00\x00\x00WAVEfmt " + bytes(8)


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def problem_of(text: str, row: int | None = None) -> FieldProblem:
    with pytest.raises(InvalidRequest) as refused:
        read_reference(text, row)
    (problem,) = refused.value.problems
    assert problem.field == "inputReference"
    assert problem.code == "bad_reference"
    assert problem.message.endswith(".")
    assert problem.suggestion
    return problem


@pytest.mark.parametrize(("data", "suffix"), [(PNG, "png"), (JPEG, "jpg"), (WEBP, "webp")])
@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp", "image/gif"])
def test_an_image_is_recognised_by_its_bytes_whatever_it_calls_itself(
    data: bytes, suffix: str, kind: str
) -> None:
    reference = read_reference(data_url(data, kind))
    assert (reference.data, reference.suffix) == (data, suffix)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.com/a.png",
        "file:///etc/passwd",
        "data:text/html;base64,AAAA",
        "data:image/png,AAAA",
        "data:image/png;base64",
        "DATA:image/png;base64,AAAA",
    ],
)
def test_a_reference_that_is_no_image_in_the_request_is_refused(text: str) -> None:
    assert "must come in the request" in problem_of(text).message


@pytest.mark.parametrize("body", ["%%%", "AAA", "AA AA", "ÄÄÄÄ", "AAAA\n"])
def test_an_image_that_is_not_base64_is_refused(body: str) -> None:
    assert "base64" in problem_of(f"data:image/png;base64,{body}").message


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(20), b"<svg/>", b"\x89PN", WAVE])
def test_bytes_that_are_no_image_we_know_are_refused(data: bytes) -> None:
    assert "neither PNG" in problem_of(data_url(data)).message


def test_an_image_may_be_as_large_as_the_limit_and_no_larger() -> None:
    largest = PNG.ljust(MAX_IMAGE_BYTES, b"\0")
    assert len(read_reference(data_url(largest)).data) == MAX_IMAGE_BYTES
    assert f"{MAX_IMAGE_BYTES:,}" in problem_of(data_url(largest + b"\0")).message


def test_a_problem_names_the_row_it_is_in() -> None:
    assert problem_of("nothing", row=7).row == 7


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_stumble(text: str) -> None:
    problem_of(text)
