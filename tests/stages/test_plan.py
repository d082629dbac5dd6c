"""What the rules are told, and that a change in the config touches only what it is about."""

from types import SimpleNamespace

import pytest

from morocco.stages.plan import Plan, folder_files
from morocco.suite.config import build_suite
from morocco.suite.model import decode_spec


def plan(**changes):
    models = [
        {"name": "one", "image": "team/one-{task}", "args": ["--task", "{task}"]},
        {"name": "two", "image": "team/two-{task}"},
    ]
    return Plan(build_suite({"models": models, "repeats": 3, **changes}))


def run_of(model="one", index="02", input_size="2000", batch_size="32"):
    return SimpleNamespace(
        model=model, task="terra", input_size=input_size, batch_size=batch_size, index=index
    )


def test_round_one_is_the_whole_matrix():
    records = plan().records()
    assert len(records) == 2 * 9 * 2 * 3
    assert "results/logs/one/terra/2000_32_02.json" in records
    assert len(set(records)) == len(records)
    assert plan().records("two") == [path for path in records if "/two/" in path]


def test_spec_text_comes_back_as_it_was():
    spec = decode_spec(plan().bench_spec(run_of()))
    assert (spec.model, spec.task, spec.load.name) == ("one", "terra", "2000_32")
    assert spec.image == "team/one-terra"
    assert spec.container_args == ("--task", "terra", "--batch-size", "32")


def test_changing_one_model_leaves_the_other_alone():
    models = [
        {"name": "one", "image": "team/one-{task}", "timeout_seconds": 60},
        {"name": "two", "image": "team/two-{task}"},
    ]
    before, after = plan(), plan(models=models)
    assert before.bench_spec(run_of("two")) == after.bench_spec(run_of("two"))
    assert before.bench_spec(run_of("one")) != after.bench_spec(run_of("one"))
    assert before.cells_text("two") == after.cells_text("two")


def test_settings_of_screening_do_not_touch_measured_runs():
    before, after = plan(), plan(screening={"rounds": 5})
    assert before.bench_spec(run_of()) == after.bench_spec(run_of())
    assert before.screening_text() != after.screening_text()


def test_the_order_is_seeded_and_interleaves_models():
    def order(seed):
        made = plan(seed=seed)
        runs = [run_of(m, f"{i:02d}") for m in ("one", "two") for i in range(1, 16)]
        return [run.model for run in sorted(runs, key=made.priority)]

    assert order(1) == order(1)
    assert order(1) != order(2)
    changes = sum(a != b for a, b in zip(order(1), order(1)[1:], strict=False))
    assert changes > 5  # 1 if all of a model's runs came first


def test_published_scores_are_given_and_the_config_wins(tmp_path):
    board = tmp_path / "board.yaml"
    board.write_text("one: {TERRa: {accuracy: 0.6}, RUSSE: {accuracy: 0.7}}\n")
    models = [{"name": "one", "image": "x", "scores": {"terra": {"accuracy": 0.9}}}]
    made = plan(models=models, published_scores=str(board))
    assert made.given_scores("one") == {"terra": {"accuracy": 0.9}, "russe": {"accuracy": 0.7}}


@pytest.mark.parametrize("null_runs", [0, 5])
def test_the_floor_needs_a_base_image(null_runs):
    assert plan(null_runs=null_runs).floor() == []
    built = plan(models=[{"name": "m", "build": "models/majority"}], null_runs=null_runs)
    assert built.floor() == (["results/null/floor.json"] if null_runs else [])


def test_a_build_folder_without_what_building_leaves(tmp_path):
    for name in ("Dockerfile", "infer.py", "__pycache__/infer.pyc", "site/numpy.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert folder_files(str(tmp_path)) == (f"{tmp_path}/Dockerfile", f"{tmp_path}/infer.py")


def test_cold_starts_are_asked_for_by_the_statistics_alone():
    assert len(plan().cold_files("one")) == 9
    assert plan().cold_files("one")[0].startswith("results/cold/one/")
    assert plan(warmup={"cold_starts": 0}).cold_files("one") == []


def test_archives_are_inputs_of_runs_where_the_suite_wants_them():
    assert plan().archive(run_of()) == []
    (file,) = plan(image_archives=True).archive(run_of())
    assert file == "results/images/archives/one.tar"


def test_an_image_depends_on_its_folder_and_its_weights(tmp_path):
    for name in ("build/Dockerfile", "weights/config.json", "weights/terra/model.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    weights = {"WEIGHTS": str(tmp_path / "weights")}
    models = [
        {"name": "one", "build": str(tmp_path / "build"), "build_args": weights},
        {"name": "two", "build": str(tmp_path / "build")},
    ]
    made = plan(models=models)
    assert set(made.image_sources(run_of("one"))) - set(made.image_sources(run_of("two"))) == {
        f"{tmp_path}/weights/config.json",
        f"{tmp_path}/weights/terra/model.safetensors",
    }
