"""Seeds on machines that see no file of this one; side by side on this one, see test_fit.py."""

from __future__ import annotations

import pytest
from carrying_engine import CarryingEngine

from tenor.training import checkpoint


def weights(forecaster) -> list[dict[str, bytes]]:
    return [{name: value.numpy().tobytes() for name, value in net.state_dict().items()} for net in forecaster.networks]


def test_far_away_is_the_same_to_the_bit(fit_it, forecaster) -> None:
    reported = []
    away = fit_it(workers=CarryingEngine(), progress=lambda *epoch: reported.append(epoch[:2]))
    assert weights(away) == weights(forecaster)
    assert away.history == forecaster.history
    assert sorted(reported) == [(seed, epoch) for seed in (0, 7) for epoch in (1, 2, 3, 4)]


def test_the_data_travel_once_and_not_with_each_task(fit_it) -> None:
    engine = CarryingEngine()
    fit_it(workers=engine)
    assert len(engine.ran) == 2
    assert {trip.task.data.inputs.size for trip in engine.ran} == {0}


def test_what_came_back_before_a_kill_is_not_trained_again(fit_it, forecaster, tmp_path, monkeypatch) -> None:
    class Killed(CarryingEngine):
        """Ends after the first result was saved."""

        def map(self, function, tasks, *, shared=None, done=None):
            def then_die(place, result):
                done(place, result)
                raise KeyboardInterrupt

            return super().map(function, tasks, shared=shared, done=then_die)

    with pytest.raises(KeyboardInterrupt):
        fit_it(workers=Killed(), checkpoints=tmp_path)
    saved = [len(checkpoint.saved_history(folder).train) for folder in tmp_path.iterdir()]
    assert saved == [4]  # one seed, with all its epochs

    restored = []
    real = checkpoint.restore

    def counting(folder, trainer):
        found = real(folder, trainer)
        restored.append((trainer.seed if hasattr(trainer, "seed") else None, len(trainer.history.train)))
        return found

    monkeypatch.setattr(checkpoint, "restore", counting)
    again = fit_it(workers=CarryingEngine(), checkpoints=tmp_path)
    assert weights(again) == weights(forecaster)
    # on the node: the saved one is complete, the other begins; here: both are complete
    assert sorted(epochs for _, epochs in restored) == [0, 4, 4, 4]
