# Installs XLA's CUDA plugin into .venv where an NVIDIA device exists; run by `make gpu`.
set -eu
if [ ! -e /dev/nvidiactl ] && [ ! -e /dev/nvidia0 ] && ! nvidia-smi -L >/dev/null 2>&1; then
  echo "no NVIDIA device on this machine: nothing to install, XLA runs on the CPU" >&2
  exit 1
fi
echo '== CUDA plugin and NVIDIA libraries -> .venv (several GB)'
.venv/bin/python -m pip install --quiet --require-hashes --no-deps -r .ci/requirements-gpu.txt
site=$(cd .venv && ls -d lib/python3.*/site-packages)

# The plugin looks for its libraries, and go-xla for ptxas and libdevice, in ../nvidia next to its folder.
mkdir -p .venv/lib/pjrt
ln -sfn "../../$site/jax_plugins/xla_cuda13/xla_cuda_plugin.so" .venv/lib/pjrt/pjrt_c_api_cuda_plugin.so
ln -sfn "../$site/nvidia" .venv/lib/nvidia
ln -sfn cu13/bin .venv/lib/nvidia/bin
ln -sfn cu13/nvvm .venv/lib/nvidia/nvvm
exec make --no-print-directory kernel   # kernel.json learns where the libraries are
