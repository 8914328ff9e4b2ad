"""Three short recordings' tables, and a call of ``sertool prepare``."""

import typer
from typer.testing import CliRunner

from sertool.commands import prepare as command
from sertool.core.prepare.assemble import assemble, decode
from sertool.core.recipe.frontends import Frontend

FRONTEND = Frontend(sample_rate=16000, frame_step=4)
RATE = 16000
SETTINGS = ("--set", "frontend.sample_rate=16000", "--set", "frontend.frame_step=4")
GOOD = """utterance,audio,text,label,speaker,split,session,start,end
u1,wav/a.wav,"Yes, I'd love to!",happy,ann,train,s1,,
u2,wav/b.wav,No way.,angry,ann,train,s1,,
u3,wav/c.wav,Fine,happy,bob,test,s2,0.1,0.4
u4,wav/c.wav,Well,angry,cid,dev,s2,0.2,
"""

app = typer.Typer()
app.command("prepare")(command.prepare)


def write(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def prepare(table, frontend, name, *, skip_bad=False):
    return assemble(table, decode(table, frontend, skip_bad=skip_bad), frontend, name)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
