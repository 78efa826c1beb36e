"""Install the Meltano plugins that have changed since the last installation.

    python scripts/install_plugins.py [PLUGIN ...]

Without names, every plugin of meltano.yml. `meltano install` is slow even if there is nothing to do, so a stamp per
plugin records the packages in its environment.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from private_files import keep_private
from user_errors import BAD_INPUT, ProjectError, unreadable

ROOT = Path(__file__).resolve().parent.parent
STAMPS = ROOT / ".meltano" / "installed"


def plugins() -> dict[str, dict[str, Any]]:
    """Return the plugin definitions of meltano.yml by name.

    Raises:
        ProjectError: The file cannot be read, or is not a project file.
    """
    try:
        project = yaml.safe_load((ROOT / "meltano.yml").read_text())
        return {plugin["name"]: plugin for kind in project["plugins"].values() for plugin in kind}
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ProjectError(f"meltano.yml cannot be read: {unreadable(error)}") from error


def ingredients(plugin: dict[str, Any]) -> str:
    """Return a digest of a plugin's packages and pins, this Python and this folder."""
    made_from = [ROOT / "pyproject.toml"]
    paths = [ROOT / part for part in plugin["pip_url"].split() if part.startswith(".")]
    made_from += [path if path.is_file() else path / "pyproject.toml" for path in paths]
    text = b"".join(path.read_bytes() for path in made_from) + f"{plugin['pip_url']} {ROOT} {sys.version}".encode()
    return hashlib.sha256(text).hexdigest()


def main() -> int:
    """Install the changed plugins; return Meltano's exit code."""
    keep_private(ROOT)
    try:
        defined = plugins()
    except ProjectError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    names = sys.argv[1:] or [*defined]
    unknown = [name for name in names if name not in defined]
    if unknown:
        print(f"meltano.yml has no plugin {', '.join(unknown)}: it has {', '.join(defined)}", file=sys.stderr)
        return BAD_INPUT
    digests = {name: ingredients(defined[name]) for name in names}
    changed = [
        name
        for name, digest in digests.items()
        if not (STAMPS / name).exists() or (STAMPS / name).read_text() != digest
    ]
    if not changed:
        return 0
    print(f"installing {', '.join(changed)}", flush=True)
    done = subprocess.run(  # noqa: S603 - Meltano of this environment
        [str(Path(sys.executable).with_name("meltano")), "install", *changed],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        return done.returncode
    STAMPS.mkdir(parents=True, exist_ok=True)
    for name in changed:
        (STAMPS / name).write_text(digests[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
