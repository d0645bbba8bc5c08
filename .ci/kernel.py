"""Links XLA's plugin and registers the Go kernel of the notebooks; run by every `make setup`, writes only what changed.

kernel.json holds absolute paths: after the repository is moved, the next `make` corrects them.
"""
import ctypes
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SITE = Path(sysconfig.get_path("purelib")).resolve()
PLUGIN = VENV / "lib/pjrt/pjrt_c_api_cpu_plugin.so"
WHEELS = ["lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so", "fastatomstruct_xla_cpu/libpjrt_cpu.so"]


def write_if_changed(path, text):
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return True
    return False


def link(path, target):
    """Makes path a relative link to target, so that it survives moving the repository."""
    relative = os.path.relpath(target, path.parent)
    if path.is_symlink() and os.readlink(path) == relative:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(relative)


def usable(library):
    """Whether this machine's loader takes the plugin: it may be too old for one that is newer."""
    try:
        return hasattr(ctypes.CDLL(str(library)), "GetPjrtApi")
    except OSError:
        return False


def link_plugin():
    """The plugin that a person fetched (PJRT=upstream) goes first, then the wheels' in the order of their speed."""
    candidates = [VENV / "lib/go-xla/pjrt_c_api_cpu_plugin.so", *(SITE / wheel for wheel in WHEELS)]
    found = next((c for c in candidates if c.exists() and usable(c)), None)
    if found:
        link(PLUGIN, found)
    else:
        PLUGIN.unlink(missing_ok=True)
        print("no XLA CPU plugin for this platform: notebooks run on the slower Go backend "
              "('make setup PJRT=upstream' tries to fetch one)")


def kernel_spec():
    goroot = subprocess.run(["go", "env", "GOROOT"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    # Linking is most of a cell's latency: no debug information and, where it works with cgo, Go's own linker.
    ldflags = "-w -linkmode=internal" if sys.platform == "linux" else "-w"
    env = {
        # GOROOT/bin is the toolchain that go.mod asks for, even where a newer or older one stands in PATH.
        "PATH": os.pathsep.join([str(ROOT / "bin"), str(VENV / "bin"), str(Path(goroot) / "bin"), "${PATH}"]),
        "GOPROXY": "off",
        "GOWORK": "",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": f"{os.environ['GOFLAGS']} '-ldflags={ldflags}'",
        "GOEXPERIMENT": os.environ["GOEXPERIMENT"],
        "GOCACHE": os.environ["GOCACHE"],
        "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],  # goimports' index of modules
        "PJRT_PLUGIN_LIBRARY_PATH": os.environ["PJRT_PLUGIN_LIBRARY_PATH"],
        "GOMLX_NO_AUTO_INSTALL": "1",
        "SCORESDE_ROOT": str(ROOT),
    }
    if (VENV / "lib/nvidia").exists():
        env["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH", "")
    return {
        "argv": [str(ROOT / "bin/gonb"), "--kernel", "{connection_file}", f"-go_work={ROOT}"],
        "display_name": "Go (gonb)",
        "language": "go",
        "interrupt_mode": "message",
        "env": env,
    }


def main():
    link_plugin()
    folder = VENV / "share/jupyter/kernels/gonb"
    if write_if_changed(folder / "kernel.json", json.dumps(kernel_spec(), indent=1) + "\n"):
        print("== kernel 'Go (gonb)' ready")
    # JupyterLab's news feed would be its only request to the network.
    write_if_changed(VENV / "etc/jupyter/labconfig/page_config.json",
                     json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}))


if __name__ == "__main__":
    main()
