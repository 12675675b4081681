#!/bin/bash
# Untested. One task a machine, which torchrun makes into a process for each GPU:
# sbatch --nodes 4 configs/accelerate/slurm.sh predict RUN FILE --output /a/folder/all/machines/see/answers.jsonl
# sbatch --nodes 4 configs/accelerate/slurm.sh run CONFIG --output /a/folder/all/machines/see/run --resume auto
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --requeue
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc_per_node "${SLURM_GPUS_ON_NODE:-1}" \
  --rdzv_backend c10d --rdzv_id "$SLURM_JOB_ID" --rdzv_endpoint "$first:29500" -m nlp_transfer "$@"
