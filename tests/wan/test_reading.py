"""Commands are found in what people write them in, and garbage raises nothing but an error of ours."""

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wan.media import write_mp4, write_png, write_streams
from ugclab import wan
from ugclab.errors import UgclabError
from ugclab.wan.arithmetic import find_gpu
from ugclab.wan.launching import FoundCommand
from ugclab.wan.reading import find_commands, kind_of
from ugclab.wan.shell import split_commands


def one(text: str, name: str = "") -> FoundCommand:
    (found,) = find_commands(text, name)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "python generate.py --task t2v-A14B --size 1280*720",
        "python generate.py --task t2v-A14B \\\n  --size 1280*720",
        "python3.11 ./Wan2.2/generate.py --task 't2v-A14B' --size \"1280*720\"  # a comment",
        "TASK=t2v-A14B\npython generate.py --task $TASK --size 1280*720",
        'export TASK=t2v-A14B; python generate.py --task "${TASK}" --size 1280*720',
        "python generate.py --task ${TASK:-t2v-A14B} --size 1280*720",
        'ARGS=(--task t2v-A14B\n  --size 1280*720)\npython generate.py "${ARGS[@]}"',
        "ARGS='--task t2v-A14B --size 1280*720'; python generate.py $ARGS",
        "cd Wan2.2 && nohup python generate.py --task t2v-A14B --size 1280*720 > log.txt 2>&1 &",
        "if true; then\n  CUDA_VISIBLE_DEVICES=0 python generate.py --task t2v-A14B --size 1280*720\nfi",
        "docker run --gpus all image python generate.py --task t2v-A14B --size 1280*720 | tee log",
        "poetry run python generate.py --task t2v-A14B --size '1280*720'",
        "cat <<EOF > run.sh\npython generate.py --task t2v-A14B --size 1280*720\nEOF",
        "./generate.py --task t2v-A14B --size 1280*720",
        "echo it's\npython generate.py --task t2v-A14B --size 1280*720",
    ],
)
def test_shell(text: str) -> None:
    found = one(text)
    assert (found.script, found.argv) == ("generate", ("--task", "t2v-A14B", "--size", "1280*720"))


@pytest.mark.parametrize(
    "text",
    [
        "cp generate.py backup/",
        "git add generate.py",
        "# python generate.py --task x",
        "echo 'python generate.py --task x'",
        "python train.py --script generate.py",
        "python -c 'import generate' generate.py",
        "python regenerate.py --task x",
        "",
    ],
)
def test_shell_that_runs_nothing_of_wan(text: str) -> None:
    assert find_commands(text) == []


@pytest.mark.parametrize(
    ("start", "processes"),
    [
        ("python", 1),
        ("torchrun", 1),
        ("torchrun --nproc_per_node=8", 8),
        ("torchrun --nproc-per-node 4 --master_port 29501", 4),
        ("torchrun --nnodes=2 --nproc_per_node=4", 8),
        ("python -m torch.distributed.run --nnodes 1 --nproc_per_node 8", 8),
        ("python -m torch.distributed.launch --nproc_per_node=2", 2),
        ("torchrun --nproc_per_node=$GPUS", None),
        ("torchrun --nproc_per_node=gpu", None),
        ("accelerate launch --num_processes 2", 2),
        ("deepspeed --num_gpus=4", 4),
    ],
)
def test_launchers(start: str, processes: int | None) -> None:
    assert one(f"{start} generate.py --task t2v-A14B").launcher.processes == processes


def test_run_as_a_module() -> None:
    found = one("python -m wan.modules.animate.preprocess.preprocess_data --fps 30")
    assert (found.script, found.launcher.as_module) == ("preprocess", True)


def test_unset_variables_stay_visible() -> None:
    assert one("python generate.py --ckpt_dir $CKPT/x --task `date`").argv == (
        "--ckpt_dir",
        "${CKPT}/x",
        "--task",
        "$(...)",
    )


def test_words_as_shlex_splits_a_continued_line() -> None:
    words = shlex.split("python generate.py --task animate-14B \\\n --ckpt_dir m --src_root_path w --refert_num 1")
    assert "\n" in words
    assert wan.exit_code(wan.check(words)) == 0


def test_only_flags_are_a_command() -> None:
    assert {p.id for p in wan.check("--task animate-14B --ckpt_dir m --src_root_path w")} >= {"T1"}
    assert {p.id for p in wan.check(["--video_path", "a", "--fps", "16"])} >= {"T5", "U1"}


README = """# Title

Run `python generate.py --task t2v-A14B` first.

1. in a list
   ```bash
   $ python generate.py --task animate-14B \\
       --refert_num 1
   ```

~~~ console
$ torchrun --nproc_per_node=2 generate.py --task ti2v-5B
~~~

```python
subprocess.run(["python", "generate.py", "--task", "i2v-A14B"])
```

    python preprocess_data.py --fps 16

It's prose about generate.py that runs nothing.
"""


def test_readme() -> None:
    found = find_commands(README, "README.md")
    assert [(c.script, c.argv[1], c.where) for c in found] == [
        ("generate", "t2v-A14B", "README.md:3"),
        ("generate", "animate-14B", "README.md:7"),
        ("generate", "ti2v-5B", "README.md:12"),
        ("generate", "i2v-A14B", "README.md:16"),
        ("preprocess", "16", "README.md:19"),
    ]
    assert found[1].argv == ("--task", "animate-14B", "--refert_num", "1")


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]})


def test_notebook() -> None:
    text = notebook(
        "task = 'animate-14B'\nsteps = 4\nckpt = find()\n",
        "import os\n!python generate.py --task {task} \\\n   --sample_steps $steps --ckpt_dir {ckpt}\n",
        "%%bash\nT=t2v-A14B\npython generate.py --task $T\n",
        "%run generate.py --task ti2v-5B",
        "cmd = ['python', 'generate.py', '--task', task, '--frame_num', str(81), '--ckpt_dir', ckpt]\nrun(cmd)",
        "cmd = ['python', 'generate.py', '--task', f'{task}']\ncmd += ['--refert_num', '1']\nrun(cmd)",
        "os.system(f'python generate.py --task {task} --base_seed 3')",
        "this is ( no python\n",
    )
    found = find_commands(text, "run.ipynb")
    assert [c.argv for c in found] == [
        ("--task", "animate-14B", "--sample_steps", "4", "--ckpt_dir", "${ckpt}"),
        ("--task", "t2v-A14B"),
        ("--task", "ti2v-5B"),
        ("--task", "animate-14B", "--frame_num", "81", "--ckpt_dir", "${ckpt}"),
        ("--task", "animate-14B", "${more}"),
        ("--task", "animate-14B", "--base_seed", "3"),
    ]
    assert found[0].where == "run.ipynb cell 2:2"


DOCKERFILE = """FROM pytorch/pytorch
ENV CKPT=/models/Wan2.2-Animate-14B STEPS="20"
ARG TASK=animate-14B
RUN pip install x && \\
    # not this
    python generate.py --task $TASK --ckpt_dir ${CKPT}
RUN <<EOF
python generate.py --task t2v-A14B
EOF
CMD ["python", "generate.py", "--task", "${TASK}"]
"""


def test_dockerfile() -> None:
    found = find_commands(DOCKERFILE, "Dockerfile")
    assert [c.argv for c in found] == [
        ("--task", "animate-14B", "--ckpt_dir", "/models/Wan2.2-Animate-14B"),
        ("--task", "t2v-A14B"),
        ("--task", "animate-14B"),
    ]
    assert found[0].where == "Dockerfile:6"


def test_dockerfile_entrypoint_with_its_arguments() -> None:
    text = 'FROM x\nENTRYPOINT ["torchrun", "--nproc_per_node=2", "generate.py"]\nCMD ["--task", "t2v-A14B"]\n'
    found = one(text)
    assert (found.argv, found.launcher.processes) == (("--task", "t2v-A14B"), 2)


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("x", "a.ipynb", "notebook"),
        ('{"cells": []}', "", "notebook"),
        ("```sh\nx\n```", "", "markdown"),
        ("x", "README", "markdown"),
        ("FROM a\nRUN b", "", "dockerfile"),
        ("x", "gpu.Dockerfile", "dockerfile"),
        ("x", "run.py", "python"),
        ("python generate.py", "", "shell"),
    ],
)
def test_kinds(text: str, name: str, kind: str) -> None:
    assert kind_of(text, name) == kind


@pytest.mark.parametrize(
    "text", ["not json", "[]", '{"cells": 3}', '{"cells": [3]}', '{"cells": [{"cell_type": "code"}]}']
)
def test_what_is_no_notebook_is_an_input_error(text: str) -> None:
    with pytest.raises(UgclabError):
        find_commands(text, "a.ipynb")


WORDS = (
    "python generate.py --task animate-14B torchrun --refert_num 1 --src_root_path w/x.mp4 preprocess_data.py --fps -m"
)
MARKS = "-1 -- $ ${ } ' \" \\ ` $( ) ( A= A=( <<EOF > 2>&1 # ; && | ``` ```bash ! %%bash [ ] , { = é \0"
PIECES = st.sampled_from([*(f"{word} " for word in WORDS.split(" ")), *MARKS.split(" "), "\n", "```bash\n", "%%bash\n"])
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=25).map("".join))
NAMES = st.sampled_from(["", "a.ipynb", "README.md", "Dockerfile", "a.py", "a.sh"])


@given(TEXTS, NAMES)
def test_garbage_raises_nothing_but_an_error_of_ours(text: str, name: str) -> None:
    try:
        problems = wan.check(text, name=name)
    except UgclabError:
        return
    assert all(problem.what and problem.source for problem in problems)


OPTIONS = [o for s in (wan.snapshot().generate, wan.snapshot().preprocess) if s for f in s.flags for o in f.options]
NUMBERS = ["0", "-1", "1", "5", "40", "77", "80", "1e400", "nan", "-inf", "99999999999999999999", "0.5", "True", "no"]
VALUES = ["", ".", "/", "w", "w/src_pose.mp4", "in.mp4", "me.png", "animate-14B", "s2v-14B", "832*480", "$X", "\0", "é"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    write_streams(folder / "w")
    write_mp4(folder / "in.mp4")
    write_png(folder / "me.png")
    return folder


@given(
    st.sampled_from(["generate.py", "preprocess_data.py"]),
    st.sampled_from([[], ["torchrun", "--nproc_per_node", "0"], ["torchrun", "--nproc_per_node=8"]]),
    st.lists(st.one_of(st.sampled_from(OPTIONS), st.sampled_from(NUMBERS), st.sampled_from(VALUES)), max_size=12),
)
def test_any_arguments_are_judged(scene: Path, script: str, start: list[str], words: list[str]) -> None:
    problems = wan.check([*start, script, "--task", "animate-14B", *words], base=scene, here=True, gpu=find_gpu("L4"))
    assert wan.exit_code(problems) in {0, 3, 4}


@given(st.lists(TEXTS, max_size=4))
def test_garbage_in_notebook_cells(cells: list[str]) -> None:
    find_commands(notebook(*cells), "a.ipynb")


@given(st.lists(st.text(max_size=12).filter(lambda word: "\0" not in word), min_size=1, max_size=6))
def test_quoted_words_come_back(words: list[str]) -> None:
    (command,) = split_commands(shlex.join(["run", *words]))
    assert command.words == ["run", *words]
