"""The types in the comments of `nmt/serving/browser` hold, by TypeScript's compiler."""

import os
import subprocess
from pathlib import Path

import pytest
from fixtures.node import MODULES, needs_node

STUB = Path(__file__).parents[1] / "fixtures" / "onnxruntime-web.d.ts"
OPTIONS = [
    *("--allowJs", "--checkJs", "--strict", "--noEmit", "--skipLibCheck"),
    *("--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"),
    *("--lib", "es2023,dom,dom.iterable"),
]


@needs_node
def test_the_types_in_comments_hold():
    folder = os.environ.get("NMT_TYPESCRIPT")
    if not folder:
        pytest.skip("needs the npm package typescript: NMT_TYPESCRIPT names its folder")
    roots = [MODULES / name for name in ("worker.js", "server.js", "service_worker.js")]
    command = ["node", Path(folder) / "lib" / "tsc.js", *OPTIONS, STUB, *roots]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stdout
