# Runs the tests that need a real Slurm, on one that it starts on this machine and stops again: a node named after the host,
# with everything in a temporary folder. It needs slurmctld, slurmd, the Slurm commands and munged. With
# SCORESDE_SLURM=install, and as root, it gets those that are missing from Debian. Without them nothing is tested, loudly.
set -eu

absent() {
  echo "== Slurm: NOT TESTED: $1" >&2
  exit 0
}

PATH=$PATH:/usr/sbin:/sbin
lacking() {
  for program in munged slurmctld slurmd sbatch scontrol; do
    command -v "$program" >/dev/null 2>&1 || { echo "$program"; return; }
  done
}

if [ -n "$(lacking)" ] && [ "${SCORESDE_SLURM:-}" = install ]; then
  [ "$(id -u)" = 0 ] || absent "$(lacking) is missing, and only root can install it"
  command -v apt-get >/dev/null 2>&1 || absent "$(lacking) is missing, and this is no Debian to install it from"
  echo '== Slurm: installing slurm-wlm and munge'
  log=$(mktemp)
  # Their services are not to be started: policy-rc.d says so while they are installed.
  policy=/usr/sbin/policy-rc.d
  [ -e $policy ] && policy= || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy; }
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge; } >"$log" 2>&1 || failed=1
  [ -z "$policy" ] || rm -f "$policy"
  [ -z "${failed:-}" ] || { tail -n 5 "$log" >&2; absent 'it cannot be installed'; }
fi
[ -z "$(lacking)" ] || absent "$(lacking) is missing; SCORESDE_SLURM=install installs it"

dir=$(mktemp -d)
chmod 755 "$dir"
mkdir "$dir/state" "$dir/spool"
user=$(id -un)
host=$(hostname -s 2>/dev/null || hostname)
export SLURM_CONF="$dir/slurm.conf"
export SCORESDE_SLURM=running

# Only what this script started is stopped.
pids=
stop() {
  trap - EXIT INT TERM
  for pid in $pids; do kill "$pid" 2>/dev/null || :; done
  for pid in $pids; do wait "$pid" 2>/dev/null || :; done
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' INT TERM

port() { echo $((20000 + ($$ * 7 + $1) % 20000)); }

# No systemd and no cgroups are assumed. cred_expire is also how long a requeued job waits; 120 s is Slurm's own choice.
cat >"$SLURM_CONF" <<EOF
ClusterName=scoresde
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(port 0)
SlurmdPort=$(port 1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF

dd if=/dev/urandom of="$dir/munge.key" bs=1024 count=1 2>/dev/null
chmod 600 "$dir/munge.key"
munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
  --log-file="$dir/munged.log" --seed-file="$dir/munged.seed" >"$dir/munged.out" 2>&1 &
pids="$!"

await() { # await SECONDS WHAT COMMAND...
  limit=$1 what=$2
  shift 2
  while ! "$@" >/dev/null 2>&1; do
    limit=$((limit - 1))
    if [ "$limit" -le 0 ]; then
      tail -n 20 "$dir"/*.log "$dir"/*.out >&2 || :
      absent "$what"
    fi
    sleep 1
  done
}

await 10 'munged does not start' test -S "$dir/munge.socket"
slurmctld -D >"$dir/slurmctld.out" 2>&1 &
pids="$! $pids"
await 30 'slurmctld does not answer' scontrol ping
slurmd -D -N "$host" >"$dir/slurmd.out" 2>&1 &
pids="$! $pids"
idle() { [ "$(sinfo -h -o %t)" = idle ]; }
await 60 'the node does not become idle' idle

echo "== Slurm: $(scontrol --version), tests"
status=0
go test -count=1 -timeout 300s -run '^TestSlurm' ./pkg/cmd/scoresde || status=$?
[ "$status" = 0 ] || tail -n 40 "$dir/slurmctld.log" "$dir/slurmd.log" >&2
exit "$status"
