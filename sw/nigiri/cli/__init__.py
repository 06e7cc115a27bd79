"""The command line: `nigiri`."""
from __future__ import annotations

import sys
from collections.abc import Sequence

from nigiri.cli.extras import need
from nigiri.runtime.errors import NigiriError
from nigiri.spec.config import ConfigError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 2, after one line on stderr, for every error the project knows."""
    try:
        app = need("nigiri.cli.app", "cli").app
        app(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="nigiri")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (NigiriError, ConfigError) as error:
        print(f"nigiri: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("nigiri: interrupted", file=sys.stderr)
        return 130
    return 0
