"""From the first step to the last: budget, validation, progress, and going on after a stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from parser_model.errors import FileError, RequestError
from parser_model.training.checkpoint import read_state, write_state

_SMOOTH = 0.98


class Plan(Protocol):
    """What every plan says about the run as a whole; see `loop.TrainingPlan`."""

    @property
    def minutes(self) -> float: ...
    @property
    def wall_minutes(self) -> float | None: ...
    @property
    def steps(self) -> int | None: ...
    @property
    def average(self) -> float: ...
    @property
    def report_every(self) -> int: ...
    @property
    def validate_every(self) -> float: ...
    @property
    def save_minutes(self) -> float: ...


class Task(Protocol):
    """A network in training with its data: what differs from one network to the other.

    Attributes
    ----------
    network, averaged : nn.Module
        What each step changes, and the running average that is kept; they may be the same.
    optimiser : torch.optim.Optimizer
    device : str
    """

    @property
    def network(self) -> nn.Module: ...
    @property
    def averaged(self) -> nn.Module: ...
    @property
    def optimiser(self) -> torch.optim.Optimizer: ...
    @property
    def device(self) -> str: ...

    def step(self, share: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of a new batch at a share of the budget, and what to report; rates are set.

        What to report are numbers on the task's device: reading them would wait for it.
        """
        ...

    def draws(self) -> dict[str, Any]:
        """Where the random draws of the data stand."""
        ...

    def restore_draws(self, draws: dict[str, Any]) -> None:
        """Go on drawing from there."""
        ...

    def validate(self) -> dict[str, float] | None:
        """Dice of the averaged network by modality on held-out images, or None without any."""
        ...

    def write(self, path: Path, record: dict[str, Any]) -> None:
        """Write the averaged network as a weights file."""
        ...


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    step : int
    share : float
        Of the budget, 0 to 1.
    seconds_left : float or None
        Judged by the speed so far; None at first.
    measures : dict of str to float
        Running means over about 50 steps.
    validation : dict of str to float or None
        Dice by modality and their mean, after a validation.
    """

    step: int
    share: float
    seconds_left: float | None
    measures: dict[str, float]
    validation: dict[str, float] | None = None


@dataclass
class _State:
    step: int = 0
    busy: float = 0.0
    wall: float = 0.0
    measures: dict[str, float] = field(default_factory=dict)
    validated: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None


@dataclass(frozen=True)
class Files:
    """The files of a run in its folder.

    Attributes
    ----------
    last, best : Path
        Weights after the last step, and those that were best in validation.
    state : Path
        What a stopped run resumes from; gone when the run is done.
    """

    last: Path
    best: Path
    state: Path

    @classmethod
    def of(cls, folder: Path, name: str) -> Files:
        """The files of a model's run in a folder."""
        return cls(
            folder / f"{name}.safetensors",
            folder / f"{name}.best.safetensors",
            folder / f"{name}.training.pt",
        )


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes
    ----------
    steps : int
    seconds : float
        On the clock on the wall, all parts of a resumed run together.
    processor_seconds : float
        Of all threads together.
    validations : list of dict
        Step and Dice by modality.
    best : float or None
        Mean Dice of the best validation.
    """

    steps: int
    seconds: float
    processor_seconds: float
    validations: list[dict[str, Any]]
    best: float | None


def train(
    task: Task,
    plan: Plan,
    files: Files,
    record: dict[str, Any],
    report: Callable[[Progress], None],
    *,
    fingerprint: str = "",
    resume: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run a task to the end of its budget and write its weights.

    In steps mode (`plan.steps`) on one thread of a processor, a run that was killed and resumed
    gives the same weights bit for bit as one that was not: all that decides a step is kept.

    Parameters
    ----------
    task : Task
    plan : Plan
    files : Files
    record : dict
        Goes into the weights; what is only known at the end is added.
    report : callable
        Called every `plan.report_every` steps and after each validation.
    fingerprint : str
        Of data and plan; a run resumes only what has the same.
    resume : bool
        Go on from ``files.state`` where it exists.
    stopping : callable
        Whether to stop; asked after each step.

    Raises
    ------
    FileError
        If the state is damaged or of another run.
    RequestError
        If the loss or the weights are no finite numbers any more.
    KeyboardInterrupt
        Once `stopping` says so, with the state on disk.
    """
    state = _resumed(task, files, fingerprint) if resume and files.state.is_file() else _State()
    measures = _Measures(state)
    clock = _Clock(plan, task.device, state)
    started, first, saved = time.monotonic(), clock.share(), time.monotonic()
    while (share := clock.share()) < 1:
        loss, parts = task.step(share)
        task.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        free = (p for p in task.network.parameters() if p.requires_grad)
        size = nn.utils.clip_grad_norm_(free, 2.0)
        # An accelerator would have to be waited for; what is lost there stays lost until a report.
        read = task.device == "cpu" or (state.step + 1) % plan.report_every == 0
        if read and not bool(torch.isfinite(loss.detach() + size)):
            raise _diverged(state, files)
        task.optimiser.step()
        state.step += 1
        clock.after_step()
        _average(task, min(plan.average, state.step / (state.step + 10)))
        measures.add(parts)
        validation = None
        share = clock.share()
        if int(min(share, 1) / plan.validate_every + 1e-9) > state.validated or share >= 1:
            state.validated = int(min(share, 1) / plan.validate_every + 1e-9)
            validation = _validated(task, state, files, record)
        if state.step % plan.report_every == 0 or validation:
            spent = share - first
            left = (time.monotonic() - started) * max(1 - share, 0) / spent if spent > 0 else None
            measures.keep()
            report(Progress(state.step, min(share, 1), left, dict(state.measures), validation))
        stopped = share < 1 and stopping()
        if stopped or time.monotonic() - saved >= 60 * plan.save_minutes:
            clock.keep()
            measures.keep()
            write_state(files.state, _content(task, state, fingerprint))
            saved = time.monotonic()
        if stopped:
            raise KeyboardInterrupt
    clock.keep()
    outcome = Outcome(state.step, state.wall, state.busy, state.history, state.best)
    task.write(files.last, {**record, **_told(state)})
    files.state.unlink(missing_ok=True)
    return outcome


def _told(state: _State) -> dict[str, Any]:
    return {
        "steps": state.step,
        "seconds": round(state.wall, 1),
        "processor_seconds": round(state.busy, 1),
        "validation": state.history[-1] if state.history else None,
    }


def _validated(
    task: Task, state: _State, files: Files, record: dict[str, Any]
) -> dict[str, float] | None:
    """Validate, and keep the weights if none were better."""
    largest = torch.finfo(torch.float16).max  # that a weights file holds
    if not all(bool((p.abs() <= largest).all()) for p in task.averaged.parameters()):
        raise _diverged(state, files)
    found = task.validate()
    if found is None:
        return None
    state.history.append({"step": state.step, **{k: round(v, 4) for k, v in found.items()}})
    if state.best is None or found["mean"] > state.best:
        state.best = found["mean"]
        task.write(files.best, {**record, **_told(state)})
    return found


def _diverged(state: _State, files: Files) -> RequestError:
    kept = (
        f" {files.best.name} keeps the best weights until then." if state.best is not None else ""
    )
    return RequestError(
        f"The training diverged after step {state.step}: its numbers are not finite any more, so "
        f"nothing more is learnt; take a smaller learning_rate.{kept}"
    )


class _Clock:
    """How much of a plan's budget is spent, earlier parts of a resumed run included.

    Minutes are processor time over the number of threads, the same work on a busy machine; with
    an accelerator, whose work no processor clock sees, they are minutes on the wall. Its first
    step, in which kernels are compiled, does not count.
    """

    def __init__(self, plan: Plan, device: str, state: _State) -> None:
        self._plan, self._device, self._state = plan, device, state
        self._busy, self._wall = time.process_time(), time.monotonic()
        self._preparing = device == "cuda"

    def after_step(self) -> None:
        """Leave out the first step of an accelerator."""
        if self._preparing:
            torch.cuda.synchronize()
            self._busy, self._wall = time.process_time(), time.monotonic()
            self._preparing = False

    def keep(self) -> None:
        """Add the time since the last call to the state."""
        busy, wall = time.process_time(), time.monotonic()
        self._state.busy += busy - self._busy
        self._state.wall += wall - self._wall
        self._busy, self._wall = busy, wall

    def share(self) -> float:
        """From 0 to 1, and a little more at the end."""
        if not self._preparing:
            self.keep()
        if self._plan.steps is not None:
            return self._state.step / self._plan.steps
        wall = self._state.wall / 60
        busy = self._state.busy / torch.get_num_threads() / 60
        share = (busy if self._device == "cpu" else wall) / self._plan.minutes
        if self._plan.wall_minutes is not None:
            share = max(share, wall / self._plan.wall_minutes)
        return share


class _Measures:
    """Running means of what a step reports, read from the device only when they are shown."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._means: dict[str, Tensor] = {}

    def add(self, parts: Mapping[str, Tensor]) -> None:
        """Take in what one step reports."""
        for name, value in parts.items():
            mean = self._means.get(name)
            if mean is None:
                mean = value.new_tensor(self._state.measures.get(name, float(value)))
            self._means[name] = torch.lerp(mean, value, 1 - _SMOOTH)

    def keep(self) -> None:
        """Write the means into the state."""
        self._state.measures = {name: float(mean) for name, mean in self._means.items()}


@torch.no_grad()
def _average(task: Task, keep: float) -> None:
    if task.averaged is task.network:
        return
    move = get_ema_multi_avg_fn(keep)
    move(list(task.averaged.parameters()), list(task.network.parameters()), 0)


def _content(task: Task, state: _State, fingerprint: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "fingerprint": fingerprint,
        "network": task.network.state_dict(),
        "optimiser": task.optimiser.state_dict(),
        "draws": task.draws(),
        "random": torch.get_rng_state(),
        "state": dict(vars(state)),
    }
    if task.averaged is not task.network:
        content["averaged"] = task.averaged.state_dict()
    if task.device == "cuda":
        content["random_cuda"] = torch.cuda.get_rng_state()
    return content


def _resumed(task: Task, files: Files, fingerprint: str) -> _State:
    content = read_state(files.state)
    if content.get("fingerprint") != fingerprint:
        raise FileError(
            f"{files.state.name} is of a run on other data or with other numbers, or by another "
            "version of parsechat; give data and options of that run, or another --out."
        )
    task.network.load_state_dict(content["network"])
    if "averaged" in content:
        task.averaged.load_state_dict(content["averaged"])
    task.optimiser.load_state_dict(content["optimiser"])
    task.restore_draws(content["draws"])
    torch.set_rng_state(content["random"])
    if "random_cuda" in content:
        torch.cuda.set_rng_state(content["random_cuda"])
    return _State(**content["state"])
