"""The tables of the stand-in: names and values as the official repository has them."""

from easydict import EasyDict

animate_14B = EasyDict()  # noqa: N816
animate_14B.sample_steps = 20
animate_14B.sample_shift = 5.0
animate_14B.sample_guide_scale = 1.0
animate_14B.frame_num = 77
animate_14B.sample_fps = 30
animate_14B.num_heads = 40

WAN_CONFIGS = {
    "t2v-A14B": None,
    "i2v-A14B": None,
    "ti2v-5B": None,
    "animate-14B": animate_14B,
    "s2v-14B": None,
}
SIZE_CONFIGS = {
    "720*1280": (720, 1280),
    "1280*720": (1280, 720),
    "480*832": (480, 832),
    "832*480": (832, 480),
    "704*1280": (704, 1280),
    "1280*704": (1280, 704),
    "1024*704": (1024, 704),
    "704*1024": (704, 1024),
}
SUPPORTED_SIZES = {"animate-14B": ("720*1280", "1280*720")}
