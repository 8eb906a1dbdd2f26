"""Offer filmgate on the command line; each command imports what it needs only when it runs."""

from typing import Any

import click

from filmgate import __version__

_COMMANDS = {
    "serve": ("filmgate.cli.serve", "serve", "Run the gateway: API, worker and, if needed, PostgreSQL."),
    "worker": ("filmgate.cli.serve", "worker", "Run a worker beside one or more gateways."),
    "demo": ("filmgate.cli.demo", "demo", "Start a gateway and watch sample films being made."),
    "twin": ("filmgate.twin.command", "twin", "Run a sandbox that speaks the wires of many vendors."),
    "migrate": ("filmgate.cli.operate", "migrate_schema", "Bring the database's schema up to date."),
    "attempts": ("filmgate.cli.attempts", "attempts", "Settle sends whose outcome nobody knows."),
    "adopt": ("filmgate.cli.adopt", "adopt", "Bring home a film that was ordered elsewhere."),
    "providers": ("filmgate.cli.providers", "providers", "See what is set up, and test it at no cost."),
    "recover": ("filmgate.cli.recover", "recover", "Show what a restored database had forgotten."),
    "webhooks": ("filmgate.cli.operate", "webhooks", "Show the secret that receivers verify with."),
    "keys": ("filmgate.cli.operate", "keys", "Create, list and revoke keys, and say what they may spend."),
    "ledger": ("filmgate.cli.ledger", "ledger", "Check that the money adds up."),
}


class _Lazy(click.Group):
    """Know every command by name, and import it when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        from importlib import import_module

        command: Any = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="filmgate %(version)s")
def main() -> None:
    """Run a self-hosted video generation gateway: OpenAI's videos API and batches, on providers that live."""
