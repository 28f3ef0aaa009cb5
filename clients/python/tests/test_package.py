"""The package that PyPI would get: what it holds, and that it works where it is installed."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from support import ADMIN_KEY, ROOT, Relay, within

#: The environment is made once, so all of these run in one process.
pytestmark = pytest.mark.xdist_group("package")
LIBRARY = Path(__file__).resolve().parents[1]
#: Seconds for a package to be installed.
INSTALL = 120


def run(*command: str | Path) -> str:
    """What a command prints, if it succeeds."""
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, timeout=INSTALL)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the source distribution."""
    directory = tmp_path_factory.mktemp("dist")
    # What `python -m build` calls, with the build backend that is installed already.
    script = "import hatchling.build as build, sys; build.build_wheel(sys.argv[1]); build.build_sdist(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", script, directory], cwd=LIBRARY, capture_output=True, text=True, timeout=INSTALL
    )
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment in which only the wheel and what it needs are installed."""
    environment = tmp_path_factory.mktemp("application")
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin/python"
    (wheel,) = built.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", "--no-compile", wheel)
    yield python


def test_the_package_holds_the_code_its_types_the_licence_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("tagpost-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (path,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(path).decode())
        (path,) = (name for name in names if name.endswith("/LICENSE"))
        assert archive.read(path).decode() == (ROOT / "LICENSE").read_text()
    code = {f"tagpost/{path.name}" for path in (LIBRARY / "src/tagpost").iterdir() if path.is_file()}
    assert "tagpost/py.typed" in code
    assert {name for name in names if ".dist-info/" not in name} == code

    assert metadata["Name"] == "tagpost"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.10"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (LIBRARY / "README.md").read_text()

    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames()}
    assert inside == {f"src/{name}" for name in code} | {
        ".gitignore",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
    }


def test_an_application_is_checked_against_the_types(python: Path, tmp_path: Path) -> None:
    right = """
import tagpost
from tagpost import sync

async def ring(client: tagpost.Client) -> str:
    published = await client.publish("door", b"1", urgency="high")
    async for entry in client.devices():
        name: str = entry.device
    return published.id

def ring_and_wait(client: sync.Client) -> str:
    return client.publish("door", b"1", urgency="high").id
"""
    (tmp_path / "right.py").write_text(right)
    (tmp_path / "wrong.py").write_text(right.replace('"high"', '"now"'))
    check = [sys.executable, "-m", "mypy", "--strict", f"--python-executable={python}", f"--cache-dir={tmp_path}"]
    run(*check, tmp_path / "right.py")
    wrong = subprocess.run([*check, str(tmp_path / "wrong.py")], capture_output=True, text=True, timeout=INSTALL)
    assert wrong.stdout.count('"Literal[\'very-low\', \'low\', \'normal\', \'high\']') == 2, wrong.stdout


def examples() -> dict[str, str]:
    readme = (LIBRARY / "README.md").read_text()
    return {name: code for code, name in re.findall(r"```python\n(# (\w+\.py)\n.*?)```", readme, re.DOTALL)}


@pytest.mark.anyio
@pytest.mark.parametrize("face", ["", "_sync"])
async def test_the_readmes_examples_run_as_it_says(relay: Relay, python: Path, tmp_path: Path, face: str) -> None:
    for name, code in examples().items():
        (tmp_path / name).write_text(code)

    async def start(name: str, **own: str) -> asyncio.subprocess.Process:
        env = {**os.environ, "TAGPOST_URL": relay.url, **own}
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(python, tmp_path / name, env=env, stdout=pipe, stderr=pipe)

    operator = await start("devices.py", TAGPOST_ADMIN_KEY=ADMIN_KEY)
    output, errors = await within("the devices", operator.communicate())
    made = re.fullmatch(r"kitchen-cam (\S+)\ndoorbell (\S+)\n", output.decode())
    assert made is not None, (output, errors)
    camera, doorbell = made.groups()

    listener = await start(f"listen{face}.py", TAGPOST_TOKEN=camera)
    assert listener.stdout is not None and listener.stderr is not None
    try:
        line = await within("it online", listener.stdout.readline())
        assert line == b"kitchen-cam is online\n", await within("its error", listener.stderr.read())
        publisher = await start(f"publish{face}.py", TAGPOST_TOKEN=doorbell)
        output, errors = await within("the answer", publisher.communicate())
        assert (output, errors) == (b"kitchen-cam delivered {'opened': True}\n", b"")
        assert output.decode().strip() in (LIBRARY / "README.md").read_text()
        assert await within("the message", listener.stdout.readline()) == b"doorbell says {'ring': 1}\n"
    finally:
        if listener.returncode is None:
            listener.kill()
        await listener.wait()
