"""What fits a budget and a deadline."""

import datetime
from fractions import Fraction

import pytest

from tests.bench.footage import ugc
from ugclab.bench.estimate import Footage, Teller
from ugclab.bench.fit import Fit, fit, frame_rates, pictures, settings_of
from ugclab.errors import InputError
from ugclab.settings import Settings

TODAY = datetime.date(2026, 7, 1)


@pytest.fixture(scope="module")
def teller() -> Teller:
    return Teller.of(Settings())


def find(teller: Teller, given: Footage | None = None, **changes: float) -> Fit:
    wanted = {"budget_usd": 0.05, "deadline_s": 300.0, "usd_per_hour": 0.0} | changes
    return fit(given or ugc(), teller, today=TODAY, **wanted)


def test_every_gpu_and_setting_the_cheapest_first(teller: Teller) -> None:
    found = find(teller)
    settings = [option.prediction.setting for option in found.options]
    assert {s.gpu for s in settings if s.gpu} == {"H200", "H100", "A100", "L40S", "RTX 5090", "RTX 4090", "A40", "L4"}
    assert {s.picture for s in settings if s.gpu} == {"480p", "720p", "crop 640", "crop 512"}
    assert {s.frame_rate for s in settings if s.gpu} == {16, 24, 30}
    assert {s.steps for s in settings if s.gpu} == {4, 20}
    assert {s.precision for s in settings if s.gpu} == {"bf16", "bf16-sage", "fp8", "fp4"}
    assert {s.state for s in settings if s.gpu} == {"warm", "cold", "reload"}
    assert {s.provision for s in settings} == {"own", "hosted", "pod", "serverless"}
    assert len(set(settings)) == len(settings)
    dollars = [option.prediction.usd for option in found.options]
    priced = [usd for usd in dollars if usd is not None]
    assert priced == sorted(priced)
    assert dollars == priced + [None] * (len(dollars) - len(priced))
    assert any("B200" in line for line in found.unpredicted)
    assert any("RTX 6000 Ada: rates, no price" in line for line in found.unpredicted)


def test_what_meets_both_does(teller: Teller) -> None:
    found = find(teller)
    assert found.met
    assert found.nearest is None
    for option in found.met:
        assert (option.prediction.usd or 1) <= 0.05
        assert (option.prediction.seconds or 1e9) <= 300
        assert option.lacks == ()
        assert option.prediction.gives_up
    assert not any(o.prediction.setting.picture == "720p" for o in found.met), (
        "as the facts have it: no 720p meets both"
    )
    assert not any(o.prediction.setting.steps == 20 and o.prediction.setting.precision == "bf16" for o in found.met)


def test_where_nothing_meets_both_the_nearest_says_what_it_lacks(teller: Teller) -> None:
    found = find(teller, budget_usd=0.001, deadline_s=20.0)
    assert found.met == ()
    assert found.nearest is not None
    assert any("too dear" in lack for lack in found.nearest.lacks)
    assert any("too slow" in lack for lack in found.nearest.lacks)
    worse = [
        max((o.prediction.usd or 0) / 0.001, (o.prediction.seconds or 0) / 20)
        for o in found.options
        if o.prediction.usd is not None and o.prediction.seconds is not None
    ]
    near = found.nearest.prediction
    assert max((near.usd or 0) / 0.001, (near.seconds or 0) / 20) == min(worse)


def test_the_embedded_engine_without_a_price_is_no_bargain(teller: Teller) -> None:
    (option,) = [o for o in find(teller).options if o.prediction.setting.engine == "mesh"]
    assert (option.meets_budget, option.meets_deadline, option.meets_both) == (None, True, False)
    assert "UGCLAB_USD_PER_HOUR" in option.lacks[0]
    (option,) = [o for o in find(teller, usd_per_hour=0.1).options if o.prediction.setting.engine == "mesh"]
    assert option.meets_both
    assert "face only" in option.prediction.gives_up[0]


def test_hosted_services_stand_beside(teller: Teller) -> None:
    by_name = {
        o.prediction.setting.engine: o for o in find(teller).options if o.prediction.setting.provision == "hosted"
    }
    fal = by_name["fal wan-animate/replace 720p"]
    assert fal.prediction.usd == pytest.approx(1.5)
    assert fal.prediction.seconds == pytest.approx(165)
    assert by_name["WaveSpeed wan-animate 480p"].prediction.usd == pytest.approx(0.4)
    lips = by_name["HeyGen lip-sync"]
    assert (lips.prediction.seconds, lips.meets_deadline) == (None, None)


def test_prices_are_flagged_by_their_age(teller: Teller) -> None:
    tags = {
        o.prediction.setting.provision: o.prediction.price for o in find(teller).options if o.prediction.setting.gpu
    }
    assert tags["serverless"] is not None
    assert tags["pod"] is not None
    assert (tags["serverless"].stale, tags["pod"].stale) == (False, True)  # read on 8 June and in March


def test_nothing_is_made_larger_or_quicker_than_the_source() -> None:
    small = ugc(width=640, height=360, rate=Fraction(20))
    assert set(pictures(small)) == {"480p"}
    assert frame_rates(small) == (20, 16)
    assert frame_rates(ugc(rate=Fraction(12))) == (12,)
    assert frame_rates(ugc(rate=Fraction(60))) == (30, 24, 16)
    portrait = pictures(ugc(width=1080, height=1920))
    assert portrait == {"720p": (720, 1280), "480p": (464, 832), "crop 640": (640, 640), "crop 512": (512, 512)}


def test_one_gpu_alone(teller: Teller) -> None:
    assert {s.gpu for _, s in settings_of(ugc(), teller, "RTX 5090")} == {"RTX 5090"}


@pytest.mark.parametrize("changes", [{"budget_usd": 0.0}, {"deadline_s": -1.0}])
def test_a_budget_of_nothing(teller: Teller, changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match="can meet nothing"):
        find(teller, **changes)
