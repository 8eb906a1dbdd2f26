"""Settings are read from three places, and a bad one is told by its name, its place and the mend."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from filmgate.domain.errors import BadSettings, RefusalKind
from filmgate.settings import Settings, default_data, read_settings

DATABASE = "postgresql://filmgate:secret@db.example:5432/filmgate"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def dotenv(folder: Path, text: str) -> None:
    (folder / ".env").write_text(text, encoding="utf-8")


def toml(folder: Path, text: str) -> None:
    (folder / "filmgate.toml").write_text(text, encoding="utf-8")


def read(folder: Path, environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    return read_settings(environment or {}, folder, overrides)


def refused(folder: Path, environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(BadSettings) as error:
        read_settings(environment or {}, folder)
    message = str(error.value)
    assert message.endswith((".", "?"))
    return message


BAD = [
    ("PORT", "eighty", "whole number from 0 to 65535", "PORT=1"),
    ("PORT", "-1", "whole number from 0 to 65535", "PORT=1"),
    ("PORT", "65536", "whole number from 0 to 65535", "PORT=1"),
    ("PORT", "80.5", "whole number from 0 to 65535", "PORT=1"),
    ("PORT", "9" * 5000, "whole number from 0 to 65535", "PORT=1"),
    ("WORKER_CONCURRENCY", "1", "whole number from 2 to 10000", "WORKER_CONCURRENCY=2"),
    ("DRAIN_SECONDS", "3601", "whole number from 0 to 3600", "DRAIN_SECONDS=1"),
    ("APP_ENV", "prodution", "not one of development, production, test", "Did you mean production?"),
    ("NODE_ENV", "xyz", "not one of development, production, test", "Write one of development"),
    ("LOG_LEVEL", "inof", "not one of debug, info, warning, error", "Did you mean info?"),
    ("LOG_PRETTY", "maybe", "neither true nor false", "LOG_PRETTY=true"),
    ("API_KEY", "short", "too easy to guess", "at least 8 characters"),
    ("API_KEY", "your-api-key-here", "too easy to guess", "at least 8 characters"),
    ("DATABASE_URL", "mysql://db/x", "no postgresql:// address", "Write it as postgresql://"),
    ("DATABASE_URL", "postgresql:", "no postgresql:// address", "Write it as postgresql://"),
    ("DATABASE_URL", "postgresql://[::1/x", "no postgresql:// address", "Write it as postgresql://"),
    ("PUBLIC_URL", "gate.example", "no https:// address", "Write it as https://"),
    ("PUBLIC_URL", "https:gate.example", "no https:// address", "Write it as https://"),
    ("PUBLIC_URL", "http://[::1", "no https:// address", "Write it as https://"),
    ("STORAGE_PROVIDER", "s3", "local disk only", "STORAGE_PROVIDER=local"),
]


@pytest.mark.parametrize(("name", "value", "reason", "mend"), BAD)
def test_a_bad_value_in_the_environment_is_told_with_its_reason_and_mend(
    folder: Path, name: str, value: str, reason: str, mend: str
) -> None:
    message = refused(folder, {name: value})
    assert message.startswith(f"{name} (in the environment): ")
    assert reason in message
    assert mend in message


@pytest.mark.parametrize(("name", "value", "reason", "mend"), BAD)
def test_a_bad_value_in_the_file_is_told_with_its_line(
    folder: Path, name: str, value: str, reason: str, mend: str
) -> None:
    dotenv(folder, f"# comment\n\n{name}={value}\nHOST=0.0.0.0\n")
    message = refused(folder)
    assert message.startswith(f"{name} (.env, line 3): ")
    assert reason in message
    assert mend in message


def test_a_refused_secret_is_not_repeated(folder: Path) -> None:
    assert "hunter2" not in refused(folder, {"API_KEY": "hunter2"})
    assert "hunter2" not in refused(folder, {"DATABASE_URL": "mysql://u:hunter2@db/x"})


def test_a_line_that_cannot_be_read_is_shown(folder: Path) -> None:
    dotenv(folder, "PORT=1\n= nothing\n")
    assert ".env, line 2: “= nothing” cannot be read." in refused(folder)


def test_nothing_set_gives_the_defaults(folder: Path) -> None:
    settings = read(folder)
    assert (settings.host, settings.port, settings.environment) == ("127.0.0.1", 8000, "development")
    assert settings.database_url is None
    assert settings.data == default_data()
    assert settings.unused == ()
    assert not settings.production


def test_the_data_lies_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data() == tmp_path / "filmgate"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_data() == Path.home() / ".local" / "share" / "filmgate"


def test_every_value_is_read_as_what_it_is(folder: Path) -> None:
    settings = read(
        folder,
        {
            "FILMGATE_DATA": "~/films",
            "HOST": " 0.0.0.0 ",
            "PORT": " 0 ",
            "APP_ENV": "PROD",
            "API_KEY": " a-long-enough-key ",
            "DATABASE_URL": DATABASE,
            "FILMGATE_PG_BIN": "/opt/postgres",
            "PUBLIC_URL": "https://gate.example/",
            "LOG_LEVEL": "WARN",
            "LOG_PRETTY": "Yes",
            "WORKER_CONCURRENCY": "7",
            "DRAIN_SECONDS": "0",
            "DATABASE_WAIT_SECONDS": "5",
            "STORAGE_PROVIDER": "Local",
        },
    )
    assert settings == Settings(
        data=Path.home() / "films",
        host="0.0.0.0",
        port=0,
        environment="production",
        api_key="a-long-enough-key",
        database_url=DATABASE,
        postgres_binaries=Path("/opt/postgres"),
        public_url="https://gate.example",
        log_level="warning",
        log_pretty=True,
        worker_concurrency=7,
        drain_seconds=0,
        database_wait_seconds=5,
    )
    assert settings.production


def test_no_is_no(folder: Path) -> None:
    assert not read(folder, {"LOG_PRETTY": "off"}).log_pretty


def test_a_database_on_a_local_socket_needs_no_host(folder: Path) -> None:
    url = "postgresql:///filmgate?host=/run/postgresql"
    assert read(folder, {"DATABASE_URL": url}).database_url == url


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(folder: Path) -> None:
    dotenv(folder, "PORT=1\nHOST=one\nLOG_LEVEL=error\n")
    settings = read(folder, {"PORT": "2", "HOST": "two"}, port=3, host=None)
    assert (settings.port, settings.host, settings.log_level) == (3, "two", "error")


def test_the_name_of_the_plan_gives_way_to_our_own(folder: Path) -> None:
    given = {"NODE_ENV": "test", "APP_ENV": "development"}
    assert read(folder, given).environment == "development"
    assert read(folder, {"NODE_ENV": "test"}).environment == "test"


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_value_counts_as_not_given(folder: Path, value: str) -> None:
    assert read(folder, {"PORT": value, "API_KEY": value}) == read(folder)


def test_a_name_of_somebody_else_is_left_alone(folder: Path) -> None:
    dotenv(folder, "export SHELL=/bin/sh\nOTHER_FILE=/nowhere\nBARE\n")
    assert read(folder, {"PATH": "/bin", "SOME_FILE": "/nowhere"}) == read(folder)


def test_a_secret_is_read_from_the_file_that_is_named(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("a-long-enough-key\n", encoding="utf-8")
    assert read(folder, {"API_KEY_FILE": str(secret)}).api_key == "a-long-enough-key"
    dotenv(folder, f"API_KEY_FILE={secret}\n")
    assert read(folder).api_key == "a-long-enough-key"


def test_a_bad_secret_is_told_with_the_file_it_came_from(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("short", encoding="utf-8")
    message = refused(folder, {"API_KEY_FILE": str(secret)})
    assert message.startswith(f"API_KEY (from {secret}): ")


def test_a_secret_file_that_is_not_there_is_told_with_the_place_that_names_it(folder: Path) -> None:
    dotenv(folder, f"HOST=a\nAPI_KEY_FILE={folder}/none\n")
    message = refused(folder)
    assert message.startswith("API_KEY_FILE (.env, line 2): ")
    assert "No such file" in message


def test_a_secret_file_that_is_no_text_is_refused_in_words(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_bytes(b"\xff\xfe\x00")
    message = refused(folder, {"API_KEY_FILE": str(secret)})
    assert message.startswith("API_KEY_FILE (in the environment): ")
    assert "text" in message


@pytest.mark.parametrize("name", [".env", "filmgate.toml"])
def test_a_file_that_is_no_text_is_refused_by_its_name(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"PORT=\xff\xfe\n")
    message = refused(folder)
    assert message.startswith(name)
    assert "UTF-8" in message


def test_lanes_and_the_default_model_come_from_the_table_file(folder: Path) -> None:
    toml(folder, 'default_model = "procedural-1"\n[lanes.embedded]\nmax_in_flight = 5\n')
    settings = read(folder)
    assert settings.default_model == "procedural-1"
    assert settings.lanes == {"embedded": 5}


def test_a_lane_without_a_limit_is_refused(folder: Path) -> None:
    toml(folder, "[lanes.embedded]\n")
    assert "lanes.embedded.max_in_flight" in refused(folder)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("x = = 1\n", "filmgate.toml: ", "line 1"),
        ("\n\n[lanes\n", "filmgate.toml: ", "line 3"),
        ("\ndefault_modl = 1\n", "filmgate.toml, line 2: ", "Did you mean default_model?"),
        (
            "\nqqq = 1\n",
            "filmgate.toml, line 2: ",
            "Known here: default_model, lanes, routes, providers, on_refusal.",
        ),
        ("\n\ndefault_model = 1\n", "filmgate.toml, line 3: ", "must be text"),
        ("\nlanes = 3\n", "filmgate.toml, line 2: ", "Write [lanes.NAME]."),
        ("\n[lanes]\nembedded = 5\n", "filmgate.toml, line 3: ", "Write [lanes.embedded]"),
        ("[lanes.a]\nmax_in_flite = 1\n", "filmgate.toml, line 2: ", "Did you mean max_in_flight?"),
        ("[lanes.a]\nmax_in_flight = 0\n", "filmgate.toml, line 2: ", "lanes.a.max_in_flight"),
        ("[lanes.a]\nmax_in_flight = true\n", "filmgate.toml, line 2: ", "a whole number from 1"),
        ('[lanes.a]\nmax_in_flight = "5"\n', "filmgate.toml, line 2: ", "a whole number from 1"),
        (
            "[lanes.a]\nmax_in_flight = 5\n[lanes.b]\nmax_in_flight = 0\n",
            "filmgate.toml, line 4: ",
            "lanes.b.max_in_flight",
        ),
    ],
)
def test_a_mistake_in_the_table_file_is_told_with_its_line(
    folder: Path, text: str, place: str, reason: str
) -> None:
    toml(folder, text)
    message = refused(folder)
    assert message.startswith(place)
    assert reason in message


def test_what_follows_refusals_is_said_everywhere_and_on_routes(folder: Path) -> None:
    toml(
        folder,
        """
        [on_refusal]
        quota = "wait"
        prompt = "next"

        [routes]
        plain = ["fal/a", "ark/b"]

        [routes.careful]
        targets = ["fal/a"]
        on_refusal = { quota = "fail", image = "next" }
        """,
    )
    settings = read(folder)
    assert settings.routes == {"plain": ("fal/a", "ark/b"), "careful": ("fal/a",)}
    said = {
        (route, kind.value): settings.refusals.reaction(route, kind).value
        for route in ("plain", "careful")
        for kind in RefusalKind
    }
    assert said == {
        ("plain", "quota"): "wait",
        ("careful", "quota"): "fail",
        ("plain", "prompt"): "next",
        ("careful", "prompt"): "next",
        ("plain", "image"): "fail",
        ("careful", "image"): "next",
        **{(route, kind): "fail" for route in ("plain", "careful") for kind in ("output", "policy")},
        **{
            (route, kind): "next" for route in ("plain", "careful") for kind in ("key", "capacity", "request")
        },
    }


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[on_refusal]\nquota = 'later'\n", 2, 'on_refusal.quota is "next" or "fail" or "wait"'),
        ("[on_refusal]\nquta = 'next'\n", 2, "Did you mean quota?"),
        ("\n[on_refusal]\nprompt = 'wait'\n", 3, "Waiting mends nothing about it."),
        ("\n[on_refusal]\noutput = 'wait'\n", 3, "Waiting mends nothing about it."),
        ("on_refusal = 'next'\n", 1, "on_refusal must be a table."),
        ("[on_refusal]\nkey = 3\n", 2, "not 3."),
        (
            "[on_refusal]\nkey = 'wait'\n[routes.a]\ntargets = ['x/y']\non_refusal = { key = 'no' }\n",
            5,
            "on_refusal.key is",
        ),
        ("[routes.a]\ntargets = ['x/y']\non_refusl = {}\n", 3, "Did you mean on_refusal?"),
        ("[routes.a]\non_refusal = {}\n", 1, "routes.a must list provider/model."),
    ],
)
def test_a_reaction_that_cannot_be_is_told_with_its_line(
    folder: Path, text: str, line: int, reason: str
) -> None:
    toml(folder, text)
    message = refused(folder)
    assert message.startswith(f"filmgate.toml, line {line}: ")
    assert reason in message


def test_production_does_not_choose_a_database_by_itself(folder: Path) -> None:
    assert refused(folder, {"APP_ENV": "production"}).startswith("DATABASE_URL is not set")


def test_settings_that_have_no_effect_yet_are_named(folder: Path) -> None:
    dotenv(folder, "REDIS_URL=redis://x\n")
    given = {"OPENAI_API_KEY": "x", "SENTRY_DSN": "", "CORS_ORIGINS": "y"}
    assert read(folder, given).unused == ("OPENAI_API_KEY", "REDIS_URL", "CORS_ORIGINS")
