"""The environments of the peers: each of its own, from the registry, pinned, below ``.bench/``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".bench"
TENOR = "tenor"

# name -> what is installed. PyTorch is the build that tenor's own lock names, so that all run on the same one.
TORCH = "torch==2.13.0"
PINNED: dict[str, tuple[str, ...]] = {
    "qlib": (TORCH, "pyqlib==0.9.7"),
    "neuralforecast": (TORCH, "neuralforecast==3.3.0", "pytorch-lightning==2.6.6"),
    "darts": (TORCH, "darts==0.48.1", "pytorch-lightning==2.6.6"),
    "garch": ("arch==8.0.0", "statsforecast==2.1.1", "joblib==1.6.0"),
    "transformers": (TORCH, "transformers==5.23.0", "sentence-transformers==6.2.0"),
    "optimum": (TORCH, "optimum-onnx==0.1.0", "onnxruntime==1.32.0"),
    "indicators": ("numpy==2.4.6", "pandas==3.1.1", "ta==0.11.0", "TA-Lib==0.8.2"),
    "fastapi": ("fastapi==0.165.0", "uvicorn==0.54.0"),
}


def python_of(name: str) -> Path:
    """The interpreter of an environment, which is made first where it is not there.

    Parameters
    ----------
    name
        ``tenor`` for the environment that runs this, else a name of `PINNED`.
    """
    if name == TENOR:
        return Path(sys.executable)
    wanted = PINNED[name]
    folder = PLACE / name
    stamp, content = folder / ".installed", hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != content:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        # a wheel where there is one: a few pure Python packages come as sources alone
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"]
        subprocess.run([*pip, *wanted], check=True)
        stamp.write_text(content)
    return folder / "bin" / "python"


def versions(name: str) -> str:
    """What an environment was asked to hold, for the table."""
    return "this version" if name == TENOR else ", ".join(PINNED[name])
