#!/bin/bash
# Sweep example: 20 trials in 5 tasks. Made by `scoresde sweep slurm`; submit it with sbatch. Submitted again, it does what
# is not done yet.
#SBATCH --job-name=scoresde-example
#SBATCH --array=0-4%2
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%A_%a.out
#SBATCH --time=1-12:00:00
#SBATCH --mem=4G
#SBATCH --cpus-per-task=2
#SBATCH --gres=gpu:1
#SBATCH --partition=short,long
#SBATCH --account=a_1
#SBATCH --qos=q

export SCORESDE_RESULTS='/scratch/results'
'/opt/it'\''s here/scoresde' sweep run '/scratch/results/runs/sweeps/example' --index-from-env --of 5 &
program=$!

# Slurm signals this shell before the time is up (B:USR1) and when the task is pre-empted (TERM); the program then saves its
# checkpoints and ends with 75.
trap 'kill -USR1 "$program" 2>/dev/null' USR1
trap 'kill -TERM "$program" 2>/dev/null' TERM

# A signal ends `wait` too: the program has ended when it is gone.
while wait "$program"; code=$?; [ "$code" -gt 128 ] && kill -0 "$program" 2>/dev/null; do :; done
if [ "$code" -gt 128 ]; then
  wait "$program"; last=$?
  [ "$last" -eq 127 ] || code=$last
fi

# 75: try again later. Above 128 the program was killed, for memory perhaps: that is tried three times. 42: no attempt helps.
if [ "$code" -eq 75 ] || { [ "$code" -gt 128 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; }; then
  echo "exit code $code: back into the queue" >&2
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
