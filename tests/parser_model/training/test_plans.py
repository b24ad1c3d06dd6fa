"""A configuration file sets what it names, and nothing else gets through."""

from __future__ import annotations

import pytest

from parser_model import FileError, RequestError
from parser_model.training.limits import ALLOWED
from parser_model.training.loop import TrainingPlan, working_size
from parser_model.training.plans import FineTuningPlan, read_config


def config(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return read_config(str(path))


def test_names_and_files(tmp_path):
    assert read_config("compact").plan == TrainingPlan()
    assert read_config("biomedparse").plan == FineTuningPlan()
    read = config(
        tmp_path,
        """
        [plan]
        minutes = 120
        sizes = [[0.5, 0.75], [1, 1]]
        [plan.shares]
        CT = 1
        [network]
        image_size = 320
        decoder_widths = [160, 96, 64, 32]
        """,
    )
    assert read.model == "compact"
    assert read.plan.minutes == 120.0
    assert read.plan.sizes == ((0.5, 0.75), (1.0, 1.0))
    assert read.plan.shares == {"CT": 1.0}
    assert read.plan.learning_rate == TrainingPlan().learning_rate
    assert read.sizes == {"image_size": 320, "decoder_widths": (160, 96, 64, 32)}
    full = config(tmp_path, 'model = "biomedparse"\n[plan]\nfreeze = ["backbone"]')
    assert full.plan.freeze == ("backbone",)


def test_numbers_of_the_command_line_go_before_the_files(tmp_path):
    read = config(tmp_path, "[plan]\nminutes = 120\nseed = 3").with_numbers(minutes=5.0, seed=None)
    assert (read.plan.minutes, read.plan.seed) == (5.0, 3)


def test_minutes_of_the_command_line_replace_the_steps_of_a_file(tmp_path):
    """`--config presence` counts in steps, so its `--minutes` did nothing."""
    read = config(tmp_path, "[plan]\nsteps = 400\nimages = 3").with_numbers(minutes=5.0, steps=None)
    assert (read.plan.minutes, read.plan.steps, read.plan.images) == (5.0, None, 3)
    read = config(tmp_path, "[plan]\nminutes = 120").with_numbers(minutes=None, steps=7)
    assert read.plan.steps == 7


def test_a_plan_that_was_made_is_valid():
    for plan in (TrainingPlan, FineTuningPlan):
        with pytest.raises(RequestError, match="images in the plan is a number above zero, not 0"):
            plan(images=0)
    with pytest.raises(RequestError, match="sizes in the plan is made of shares above 0 to 1"):
        TrainingPlan(sizes=((0.5, 0.5), (1.0, 0.0)))


def test_every_number_of_a_plan_has_its_bounds():
    for plan in (TrainingPlan(), FineTuningPlan()):
        words = {"taught", "encoder", "freeze", "compiled"}
        assert set(vars(plan)) - words <= set(ALLOWED)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[plan]\nminuets = 5", r"\[plan\] of run.toml has no minuets; there are average, "),
        ("[network]\ndepth = 5", r"\[network\] of run.toml has no depth"),
        ("plam = 5", "unknown keys plam"),
        ("[plan]\nminutes = 'long'", "minutes in .* cannot be 'long'"),
        ("[plan]\nimages = 2.5", "images in .* cannot be 2.5"),
        ("[plan]\nencoder = 'photos'", "encoder cannot be 'photos'; use imagenet, random"),
        ("[plan]\nseed = true", "seed in .* cannot be True"),
        ("[plan]\nsizes = [[0.5]]", "sizes in .* cannot be"),
        ("[network]\nwidths = [1, 2]", "widths in .* cannot be"),
        ("[network]\nimage_size = 100", "multiple of 32"),
        ("[network]\nimage_size = 0", "image_size in .* a multiple of 32 above 0"),
        ("[network]\ndecoder_widths = [0, 0, 0, 0]", "decoder_widths .* a multiple of 8 above 0"),
        ("[network]\ncontext_width = 18", "context_width .* a multiple of 4 above 0"),
        ("[network]\ndepths = [1, 1, 0, 1, 1, 1, 1]", r"depths in .* must be above 0\."),
        ("[network]\nplaces = 3", "places .* follow from the ontology"),
        ("model = 'large'", "Unknown model 'large'"),
        ("model = 'biomedparse'\n[network]\nimage_size = 64", "is for compact"),
        ("model = 'biomedparse'\n[plan]\nfreeze = ['head']", "Unknown part 'head'"),
        (
            "model = 'biomedparse'\n"
            "[plan]\nfreeze = ['backbone', 'pixel_decoder', 'text', 'decoder']",
            "nothing to train",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name(tmp_path, text, said):
    with pytest.raises(RequestError, match=said):
        config(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = -1", r"seed in \[plan\] of run.toml is zero or more, not -1"),
        ("minutes = nan", "minutes in .* above zero, not nan"),
        ("minutes = inf", "minutes in .* above zero, not inf"),
        ("wall_minutes = 0", "wall_minutes in .* above zero"),
        ("images = 0", "images in .* above zero, not 0"),
        ("prompts = nan", "prompts in .* above zero, not nan"),
        ("report_every = 0", "report_every in .* above zero"),
        ("validate_every = 0", "validate_every in .* above zero"),
        ("closeups = 1.5", "closeups in .* a share from 0 to 1, not 1.5"),
        ("sizes = [[1.0, 2.0]]", "sizes in .* above 0 to 1"),
        ("shares = {CT = 1, Xray = 1}", "shares in .* names Xray; there are CT, "),
        ("shares = {CT = -1}", "shares in .* zero or more"),
        ("minutes = -1.0", "minutes in .* above zero, not -1.0"),
        ("steps = 0", "steps in .* above zero, not 0"),
        ("steps = -3", "steps in .* above zero, not -3"),
        ("learning_rate = -1", "learning_rate in .* above zero, not -1"),
        ("weight_decay = -1", "weight_decay in .* zero or more, not -1"),
        ("average = 2.0", "average in .* from 0 to 1, not 2.0"),
        ("word_drop = 7", "word_drop in .* from 0 to 1, not 7"),
        ("negative_share = 2", "negative_share in .* from 0 to 1, not 2"),
        ("synthetic = nan", "synthetic in .* from 0 to 1, not nan"),
        ("validation_images = -2", "validation_images in .* zero or more, not -2"),
        ("save_minutes = -1", "save_minutes in .* zero or more, not -1"),
    ],
)
@pytest.mark.parametrize("model", ["compact", "biomedparse"])
def test_numbers_that_no_run_could_go_by_are_refused(tmp_path, text, said, model):
    if model == "biomedparse" and "sizes" in text:
        said = "has no sizes"
    with pytest.raises(RequestError, match=said):
        config(tmp_path, f"model = '{model}'\n[plan]\n{text}")


def test_numbers_of_the_command_line_are_checked_alike():
    with pytest.raises(RequestError, match="seed in the plan is zero or more, not -1"):
        read_config("compact").with_numbers(seed=-1)
    with pytest.raises(RequestError, match="minutes in the plan is a number above zero, not nan"):
        read_config("compact").with_numbers(minutes=float("nan"))


def test_images_are_never_smaller_than_the_network_can_take():
    assert working_size(0.0, 64, ((1.0, 0.1),)) == 32


def test_files_that_are_no_configuration(tmp_path):
    with pytest.raises(RequestError, match=r"no file 'nowhere\.toml'"):
        read_config(str(tmp_path / "nowhere.toml"))
    with pytest.raises(FileError, match="no TOML file"):
        config(tmp_path, "a = [")


def test_the_plan_that_teaches_presence_alone_is_one():
    """It is documented as the second half of how the shipped weights are made."""
    plan = read_config("presence").plan
    assert isinstance(plan, TrainingPlan)
    assert plan.taught == "presence"
    assert plan.closeups > 0
