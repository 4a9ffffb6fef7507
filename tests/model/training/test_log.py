import numpy as np
from maquette.core.model.training.log import RunLog, draw_curve, log_lines
from PIL import Image


def written(run, steps, step=0):
    with RunLog(run, step, first=True) as log:
        for number in steps:
            log.log_step(number, (1 / number, 0.5), 0.25)
            if number % 2 == 0:
                log.log_validation(number, (0.2, 0.4, 0.1 * number / 4, 0.3))


def test_a_run_that_goes_on_drops_what_came_after_its_checkpoint(tmp_path):
    written(tmp_path, range(1, 6))
    written(tmp_path, range(4, 8), step=3)
    assert [step for step, _ in log_lines(tmp_path, "train")] == list(range(1, 8))
    assert [step for step, _ in log_lines(tmp_path, "validation")] == [2, 4, 6]
    assert next(log_lines(tmp_path, "train")) == (1, [1.0, 0.5, 0.25])


def test_the_curve_falls_from_left_to_right(tmp_path):
    written(tmp_path, range(1, 40))
    picture = np.asarray(Image.open(tmp_path / "curve.png")).astype(int)
    bold = (abs(picture - (30, 90, 170)).sum(-1) < 40) & (np.arange(512)[:, None] < 250)
    rows, columns = np.nonzero(bold)
    left, right = rows[columns < 120].mean(), rows[columns > 450].mean()
    assert right > left + 60


def test_others_than_the_first_process_write_nothing(tmp_path):
    with RunLog(tmp_path, 0, first=False) as log:
        log.log_step(1, (1.0,), 0.1)
        log.log_validation(1, (0.5,))
    assert not list(tmp_path.iterdir())


def test_a_run_of_no_step_has_no_curve(tmp_path):
    written(tmp_path, ())
    draw_curve(tmp_path)
    assert not (tmp_path / "curve.png").exists()
