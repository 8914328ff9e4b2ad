"""The library behind the commands: never imports Typer, never prints."""
