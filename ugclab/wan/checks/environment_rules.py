"""Rules about the Python environment a command runs in, decided by what lies in its folders."""

from collections.abc import Iterator

from ugclab.wan.checks.trap import Command, Surroundings, trap
from ugclab.wan.environment import version_tuple
from ugclab.wan.problems import Finding, Severity, Stage

LAST_TRANSFORMERS = (4, 51, 3)
"""requirements.txt allows no newer."""
SAM2_CONFIG = "sam2_hiera_l.yaml"
SAM2_PLACES = (f"sam2/{SAM2_CONFIG}", f"sam2/configs/sam2/{SAM2_CONFIG}", f"sam2_configs/{SAM2_CONFIG}")


@trap("T10", Severity.ERROR, source="wan/utils/utils.py:114-120", stage=Stage.RESULT)
def no_ffmpeg(command: Command, around: Surroundings) -> Iterator[Finding]:
    """Without imageio-ffmpeg nothing is written, and the exit code is still 0."""
    env = around.environment
    if env and command.generates and not env.has("imageio-ffmpeg", "imageio_ffmpeg"):
        yield Finding(
            what="imageio-ffmpeg is missing: the run ends with exit code 0 and no video",
            fix="pip install imageio-ffmpeg",
        )


@trap("T23", Severity.ERROR, source="wan/modules/attention.py:112; animate/clip.py:85 (version=2)", stage=Stage.LOAD)
def flash_attention(command: Command, around: Surroundings) -> Iterator[Finding]:
    """flash-attn 2 is mandatory: there is no fallback, and FlashAttention 3 alone fails in CLIP."""
    env = around.environment
    if env is None or not command.generates or env.has("flash-attn", "flash_attn"):
        return
    third = env.find("flash_attn_interface") is not None
    yield Finding(
        what="FlashAttention 3 alone: CLIP asks for version 2 and fails an assert"
        if third
        else "flash-attn is missing",
        fix="pip install flash-attn --no-build-isolation (last, after torch)",
    )


@trap("T24", Severity.ERROR, source="wan/__init__.py:4; s2v/audio_encoder.py:4; wan/animate.py:15; Wan2.2#278")
def speech_packages(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`import wan` pulls in speech-to-video: librosa and decord are needed for every task."""
    env = around.environment
    if env is None:
        return
    wanted = ["decord", *(["librosa"] if command.generates else [])]
    missing = [name for name in wanted if not env.has(name)]
    if missing:
        yield Finding(what=f"{' and '.join(missing)} missing: the import fails", fix=f"pip install {' '.join(missing)}")


@trap("T25", Severity.ERROR, source="process_pipepline.py:10-13; wan/animate.py:9; Wan2.2#209")
def unlisted_packages(command: Command, around: Surroundings) -> Iterator[Finding]:
    """moviepy is in no requirements file, and einops only comes with flash_attn."""
    env = around.environment
    name = "einops" if command.generates else "moviepy"
    if env and not env.has(name):
        yield Finding(what=f"{name} is missing: the import fails", fix=f"pip install {name}")


@trap("T26", Severity.ERROR, source="requirements.txt; peft 0.18.0 imports transformers.modeling_layers; Wan2.2#278")
def peft_and_transformers(command: Command, around: Surroundings) -> Iterator[Finding]:
    """transformers is held at 4.51.3 and peft is not: peft 0.18.0 imports what that transformers lacks."""
    env = around.environment
    if env is None or not command.generates:
        return
    transformers, peft = version_tuple(env.version("transformers") or ""), env.version("peft")
    if peft is None:
        yield Finding(what="peft is missing: the import fails", fix="pip install 'peft<0.18'")
    elif transformers and transformers <= LAST_TRANSFORMERS and version_tuple(peft) >= (0, 18):
        breaks = version_tuple(peft)[:3] == (0, 18, 0)
        yield Finding(
            what=f"peft {peft} with transformers {env.version('transformers')}: "
            + ("its import fails" if breaks else "peft was made for a newer transformers"),
            fix="pip install 'peft<0.18'",
            severity=None if breaks else Severity.WARNING,
        )
    if transformers > LAST_TRANSFORMERS:
        yield Finding(
            what=f"transformers {env.version('transformers')} is newer than the repository allows (4.51.3)",
            fix="pip install 'transformers<=4.51.3' 'peft<0.18'",
            severity=Severity.WARNING,
        )


@trap(
    "T27",
    Severity.WARNING,
    source="requirements_animate.txt; preprocess/pose2d.py:26; ComfyUI-WanAnimatePreprocess#2",
    stage=Stage.PREPROCESS,
)
def onnx_on_cpu(command: Command, around: Surroundings) -> Iterator[Finding]:
    """The requirements give the CPU's onnxruntime: the pose runs on the CPU silently; both wheels break the GPU's."""
    env = around.environment
    if env is None or not command.preprocesses:
        return
    cpu, gpu = env.version("onnxruntime") is not None, env.version("onnxruntime-gpu") is not None
    if cpu and gpu:
        yield Finding(
            what="onnxruntime and onnxruntime-gpu share one folder: the one installed last wins, often the CPU's",
            fix="pip uninstall onnxruntime onnxruntime-gpu; pip install onnxruntime-gpu",
        )
    elif cpu:
        yield Finding(
            what="onnxruntime is the CPU's: detector and pose run there, without a word",
            fix="pip uninstall onnxruntime; pip install onnxruntime-gpu",
        )
    elif not gpu:
        yield Finding(
            what="onnxruntime is missing: the import fails",
            fix="pip install onnxruntime-gpu",
            severity=Severity.ERROR,
            stage=Stage.START,
        )


@trap("T28", Severity.ERROR, source="requirements_animate.txt; process_pipepline.py:21-25; Wan2.2#157; sam2#26")
def sam2(command: Command, around: Surroundings) -> Iterator[Finding]:
    """sam2 is imported even for animation, and a plain install of it lacks its yaml."""
    env = around.environment
    if env is None or not command.preprocesses:
        return
    pinned = "git+https://github.com/facebookresearch/sam2.git@0e78a118995e66bb27d78518c4bd9a3e95b4e266"
    if env.find("sam2") is None and not env.has("sam-2", "sam2"):
        yield Finding(what="sam2 is missing: the import fails", fix=f"pip install -e '{pinned}#egg=SAM-2'")
    elif not any(env.find(place) for place in SAM2_PLACES):
        yield Finding(
            what=f"sam2 is installed without {SAM2_CONFIG}: hydra does not find its configuration",
            fix=f"install it editable: pip install -e '{pinned}#egg=SAM-2'",
        )


RULES = (
    no_ffmpeg,
    flash_attention,
    speech_packages,
    unlisted_packages,
    peft_and_transformers,
    onnx_on_cpu,
    sam2,
)
