"""Providers are tested by calls that cost nothing, and what does not work is said with its mend."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import web

from filmgate.app import open_probing
from filmgate.domain.probe import Finding, Report, Verdict
from filmgate.settings import ProviderSettings, Settings
from tests.contract.providers import CASES, Case
from tests.contract.twins import Judge, running_twin
from tests.integration.vendors import served

pytestmark = pytest.mark.anyio

every_wire = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
GOOD_KEY = "key-of-ours-1907"
NEEDS_A_KEY = [case for case in CASES if case.name not in {"vllm", "sglang"}]
OWN = {"openai", "vllm", "sglang", "litellm"}


def given(case: Case, url: str, key: str | None = GOOD_KEY) -> ProviderSettings:
    """Return the settings of one provider; a server of one's own serves one model."""
    row = {"sizes": ["1280x720"], "min_seconds": 4, "max_seconds": 8, "price": "0.1"}
    models = {case.model: row} if case.name in {*OWN, "replicate"} else {}
    return ProviderSettings(case.name, case.dialect or case.name, key, url + case.path, models, "ITS_KEY")


@dataclass
class Looked:
    """What was found out, and the twin that was asked."""

    report: Report
    judge: Judge

    def of(self, what: str) -> Finding:
        found = [one for one in self.report.findings if one.what == what]
        assert found, self.report
        return found[0]

    def nothing_was_made(self) -> None:
        assert self.judge.ledger() == []
        assert {seen["method"] for seen in self.judge.requests()} <= {"GET"}


async def report_on(settings: Settings, name: str) -> Report:
    async with open_probing(settings) as service:
        return await service.test(name)


def settings_of(folder: Path, *providers: ProviderSettings, public_url: str | None = None) -> Settings:
    table = {one.name: one for one in providers}
    return Settings(data=folder, environment="test", providers=table, public_url=public_url)


@asynccontextmanager
async def look(
    case: Case, folder: Path, key: str | None = GOOD_KEY, public_url: str | None = None
) -> AsyncGenerator[Looked, None]:
    async with running_twin() as judge:
        settings = settings_of(folder, given(case, judge.url(case.twin), key), public_url=public_url)
        found = Looked(await report_on(settings, case.name), judge)
        yield found
        found.nothing_was_made()


@every_wire
async def test_a_good_key_is_told_with_its_models_and_its_jobs(case: Case, tmp_path: Path) -> None:
    async with look(case, tmp_path) as found:
        assert found.report.works, found.report
        assert "…" not in found.of("key").says
        assert "1907" in found.of("key").says
        assert GOOD_KEY not in str(found.report)
        assert found.of("address").verdict is Verdict.WORKS
        assert found.of("connection").verdict is Verdict.WORKS
        assert "not encrypted" in found.of("TLS").says
        assert found.of("jobs").verdict is Verdict.WORKS
        expected = Verdict.NOTE if case.name in {"ark", "sglang"} else Verdict.WORKS
        assert found.of("models").verdict is expected, found.of("models")
        assert case.model in found.of("models").says


@pytest.mark.parametrize("case", NEEDS_A_KEY, ids=lambda case: case.name)
async def test_a_bad_key_is_told_with_the_variable_that_holds_it(case: Case, tmp_path: Path) -> None:
    async with look(case, tmp_path, key="a-bad-key-1907") as found:
        assert not found.report.works
        key = found.of("key")
        assert key.verdict is Verdict.FAILS
        assert "the key ending 1907 is refused" in key.says
        assert key.mend == "Set ITS_KEY to a good key."


@every_wire
async def test_a_server_that_is_not_there_is_told_as_such(case: Case, tmp_path: Path) -> None:
    async with running_twin() as judge:
        url = judge.url(case.twin)
    settings = settings_of(tmp_path, given(case, url))
    found = Looked(await report_on(settings, case.name), judge)
    assert not found.report.works
    assert "does not answer" in found.of("connection").says
    assert "base_url" in (found.of("connection").mend or "")
    assert [one.what for one in found.report.findings] == ["address", "connection"]


@every_wire
async def test_a_wrong_base_url_is_told_as_such(case: Case, tmp_path: Path) -> None:
    async with running_twin() as judge:
        wrong = replace(given(case, judge.address), base_url=f"{judge.address}/nowhere{case.path}")
        found = Looked(await report_on(settings_of(tmp_path, wrong), case.name), judge)
        assert not found.report.works
        assert found.of("key").verdict is Verdict.FAILS
        assert "base_url" in (found.of("key").mend or ""), found.of("key")
        found.nothing_was_made()


@every_wire
async def test_a_page_for_people_is_not_taken_for_the_api(case: Case, tmp_path: Path) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<h1>It works!</h1>", content_type="text/html")

    async with served(page) as url:
        report = await report_on(settings_of(tmp_path, given(case, url)), case.name)
    (key,) = [one for one in report.findings if one.what == "key"]
    assert key.verdict is Verdict.FAILS
    assert "base_url" in (key.mend or "")


@pytest.mark.parametrize("way", ["", "/model", "/gone"])
async def test_openai_after_its_shutdown_is_told_to_speak_no_videos_api(way: str, tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == "openai"]
    async with running_twin() as judge:
        retired = replace(given(case, ""), base_url=f"{judge.url('openai-retired')}{way}/v1")
        found = Looked(await report_on(settings_of(tmp_path, retired), "openai"), judge)
        assert found.of("key").verdict is Verdict.FAILS
        assert "base_url" in (found.of("key").mend or "")
        found.nothing_was_made()


async def test_a_name_that_leads_nowhere_is_told_as_such(tmp_path: Path) -> None:
    case = CASES[0]
    wrong = replace(given(case, "http://"), base_url="https://nowhere.invalid/queue")
    report = await report_on(settings_of(tmp_path, wrong), case.name)
    (finding,) = report.findings
    assert (finding.what, finding.verdict) == ("address", Verdict.FAILS)
    assert "nowhere.invalid cannot be resolved" in finding.says


async def test_a_server_without_encryption_behind_https_is_told_as_such(tmp_path: Path) -> None:
    case = CASES[0]
    async with running_twin() as judge:
        wrong = replace(given(case, ""), base_url=judge.url("fal").replace("http:", "https:"))
        report = await report_on(settings_of(tmp_path, wrong), case.name)
    assert report.findings[-1].what == "TLS"
    assert report.findings[-1].verdict is Verdict.FAILS


async def test_a_vendor_that_wants_us_to_come_later_has_not_refused_the_key(tmp_path: Path) -> None:
    (fal,) = [case for case in CASES if case.name == "fal"]
    async with running_twin() as judge:
        rule = judge.fault("rate-limited", operation="list", vendor="fal")
        settings = settings_of(tmp_path, given(fal, judge.url("fal")))
        report = await report_on(settings, "fal")
        assert not report.works
        (key,) = [one for one in report.findings if one.what == "key"]
        assert key.mend == "Try again in a minute."
        del judge.twin.world.faults.rules[rule]
        assert (await report_on(settings, "fal")).works
        assert judge.ledger() == []


async def test_runway_says_what_is_left(tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == "runway"]
    async with look(case, tmp_path) as found:
        assert " left" in found.of("key").says
        assert "$" in found.of("key").says


async def test_a_model_that_a_server_does_not_serve_is_told_with_those_it_does(tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == "vllm"]
    async with look(replace(case, model="another-model"), tmp_path) as found:
        models = found.of("models")
        assert models.verdict is Verdict.FAILS
        assert "another-model is not among" in models.says
        assert case.model in (models.mend or "")


async def test_a_model_that_replicate_does_not_know_is_told(tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == "replicate"]
    async with look(replace(case, model="nobody/nothing"), tmp_path) as found:
        assert found.of("models").verdict is Verdict.FAILS


@pytest.mark.parametrize("name", ["fal", "replicate", "gemini", "ark"])
async def test_callbacks_are_reachable_where_public_url_leads_to_filmgate(name: str, tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == name]

    async def health(request: web.Request) -> web.Response:
        assert request.path == "/health"
        return web.json_response({"status": "ok"})

    async with served(health) as url, look(case, tmp_path, public_url=url) as found:
        verdicts = [one.verdict for one in found.report.findings if one.what == "callbacks"]
        assert Verdict.FAILS not in verdicts
        assert Verdict.WORKS in verdicts


async def test_a_public_url_that_leads_elsewhere_is_told(tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == "fal"]

    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async with served(elsewhere) as url, look(case, tmp_path, public_url=url) as found:
        assert not found.report.works
        assert "PUBLIC_URL" in (found.report.findings[-1].mend or "")


async def test_without_public_url_it_is_noted_what_that_means(tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == "gemini"]
    async with look(case, tmp_path) as found:
        last = found.report.findings[-1]
        assert (last.what, last.verdict) == ("callbacks", Verdict.NOTE)
        assert "PUBLIC_URL" in last.says


async def test_the_built_in_renderer_is_tested_by_a_small_film(tmp_path: Path) -> None:
    report = await report_on(settings_of(tmp_path), "embedded")
    assert report.works
    assert report.findings[0].says == "a film of 0.5 s was made and plays"
