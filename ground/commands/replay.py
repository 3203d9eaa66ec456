"""The command ``ground replay``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ground.commands.options import JsonOption
from ground.errors import ConfigError
from ground.exit_code import ExitCode
from ground.terminal import say, say_json, shown

if TYPE_CHECKING:
    from ground.publish import Broker, PublishReport

_NO_FILE = Path()
_KEEPS_PACE = 0.9
"""A replay that is slower than this share of what was asked is told of."""


def replay(
    model: Annotated[Path, typer.Option("--model", help="models/<detector>/<version>, or a .bundle file.")],
    data: Annotated[str, typer.Option("--data", help="Recordings, as for `ground batch`.")],
    recording: Annotated[
        list[str] | None, typer.Option("--recording", help="Id(s) of the recordings; default: all.")
    ] = None,
    *,
    as_stream: Annotated[bool, typer.Option("--as-stream", help="Publish to a broker, in the pace of time.")] = False,
    broker: Annotated[str, typer.Option("--broker", help="HOST or HOST:PORT of the MQTT broker.")] = "localhost",
    speed: Annotated[float, typer.Option("--speed", help="Times real time.", min=1.0, max=1000.0)] = 1.0,
    out: Annotated[
        Path, typer.Option("--out", help="Without --as-stream: file for `edge-agent replay`.", show_default=False)
    ] = _NO_FILE,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Public key(s); default: keys/public.pem of the model's workspace."),
    ] = None,
    username: Annotated[str, typer.Option("--username", help="For the broker.")] = "",
    password_file: Annotated[Path | None, typer.Option("--password-file", help="File with its password.")] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificates that vouch for the broker: speaks TLS.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Send recordings as their engines would have: an agent answers what `ground batch` does, byte for byte."""
    from ground.batch import ModelSource, load_signed
    from ground.bulk.twin import Twin
    from ground.keys import default_public_key

    if as_stream == (out != _NO_FILE):
        raise ConfigError("replay: expected either --as-stream or --out FILE, got both or none; choose one")
    where = _broker(broker, username, password_file, ca)
    spec = load_signed(ModelSource(model, tuple(key or [default_public_key(model)]))).spec
    twin = Twin.of(spec, data, recording or [])
    with shown() as progress:
        if as_stream:
            report = twin.to_broker(where, speed=speed, progress=progress)
            told, sent = _pace(report, speed), {**asdict(report), "speed": report.speed}
        else:
            frames = twin.to_file(out, progress=progress)
            told, sent = f"{frames} frames: {out}", {"frames": frames, "out": out}
    say(told)
    for failure in twin.failures:
        say(f"left out: {failure.text}")
    if as_json:
        say_json({**sent, "failures": [asdict(each) for each in twin.failures]})
    if twin.failures:
        raise typer.Exit(ExitCode.PARTLY_FAILED)


def _broker(text: str, username: str, password_file: Path | None, ca: Path | None) -> Broker:
    from ground.fleet.collect.command import MQTT_PORT, MQTTS_PORT, host_and_port, password_of
    from ground.publish import Broker

    host, port = host_and_port(text, MQTTS_PORT if ca else MQTT_PORT)
    return Broker(host, port, username=username, password=password_of(password_file), ca=str(ca or ""))


def _pace(report: PublishReport, asked: float) -> str:
    told = f"{report.frames} frames, {report.signal_s:.1f} s of signal in {report.took_s:.1f} s: {report.speed:.3g} x"
    slower = report.speed < _KEEPS_PACE * asked
    return f"{told}, where {asked:g} x was asked: broker or this machine take no more" if slower else told
