"""Codes 7xx: work in other processes and on other machines."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        id="E770",
        title="work that costs every worker",
        what="Several workers, one after the other, ended while they worked on the same part.",
        why="A part that takes more memory than there is ends every process that it is given to; without a limit it "
        "would be tried for ever.",
        example="E770 3 workers were lost on 'lmpc' at T = 4 of net.onnx (killed by SIGKILL)",
        fix="Give fewer --jobs, or fewer samples by --limit. What a journal (--journal) has is kept, and the command "
        "goes on from there; a training goes on from its last epoch.",
    ),
    Code(
        id="W770",
        title="lost worker",
        what="A worker process ended before it was done, and what it worked on is done again by another one.",
        why="The result is the same; the time was lost. The kernel ends processes when memory runs out.",
        example="W770 the worker of 'lmpc' at T = 4 of net.onnx was lost (killed by SIGKILL), and its work is done "
        "again",
        fix="Nothing has to be done. If it comes again, give fewer --jobs.",
    ),
    Code(
        id="E771",
        title="cluster that is not there",
        what="No scheduler of dask answers at the address given, it went away, or it has no worker.",
        why="The work has to be done somewhere, and nothing is done in secret on another machine than was named.",
        example="E771 there is no scheduler of dask at 'tcp://10.0.0.5:8786': OSError: Timed out trying to connect",
        fix="Start a scheduler by 'dask scheduler' and, once for each core of every machine, 'dask worker ADDRESS "
        "--nthreads 1'; give the address that the scheduler prints as --cluster.",
    ),
    Code(
        id="E772",
        title="dask is not installed",
        what="--cluster needs dask.distributed, which is not installed here.",
        why="It is an extra of spikec: most people need no cluster.",
        example="E772 dask.distributed is not installed",
        fix="pip install distributed, or spikec with its extra 'cluster'; the workers need it as well.",
    ),
    Code(
        id="E773",
        title="processes and a cluster",
        what="Both --jobs and --cluster say where the work is to be done.",
        why="A cluster has as many processes as it was started with; the two would contradict each other.",
        example="E773 --jobs and --cluster are both given",
        fix="Leave one of them out.",
    ),
    Code(
        id="E774",
        title="cluster with another spikec",
        what="A worker of the cluster has no spikec, or one with other sources than the one that asks.",
        why="Tables are equal wherever they are computed as long as the same spikec computes them.",
        example="E774 1 of 4 workers have another spikec: tcp://10.0.0.7:40211",
        fix="Install the same version on every machine and start the workers again.",
    ),
    Code(
        id="E775",
        title="folder that workers do not share",
        what="A worker of a cluster has trained a network, and this machine does not see the files that it wrote.",
        why="Trainings write into the folder given as -o; the one that starts from another reads it there.",
        example="E775 a worker has trained the network, and this machine sees no file of it (runs/seed-0/relu)",
        fix="Give a folder of a file system that all machines have, under the same path.",
    ),
)
