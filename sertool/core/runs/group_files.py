"""The files of a group in training: what is left to train is read from them, and events are written to them.

A group trains as one stack, with one state file. Where its members do not fit into memory together, the group is
divided: a file lists the smaller stacks, and each of them has a state file of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.runs import checkpoint
from sertool.core.runs.checkpoint import Key
from sertool.core.runs.folder import is_done
from sertool.core.runs.group import Event, Group, GroupTraining, Halved, Saved, StackPlan
from sertool.core.runs.plan import Plan, is_started
from sertool.core.training.loop import Epoch


def sweep(plan: Plan) -> None:
    """Remove files that a killed process left: half-written ones, and the states of groups that have finished."""
    for part in plan.folder.rglob(".*.part"):
        part.unlink(missing_ok=True)
    done = {plan.members[place].key for place in plan.done}
    state = plan.folder / "state"
    for path in state.glob("group-*.safetensors"):
        if set(checkpoint.read_state(path).members) <= done:  # others resume from it
            path.unlink()
    for path in state.glob("group-*.json"):
        # Before any state is saved the stacks begin anew, perhaps by another recipe: all members are tried together.
        if not is_started(plan.folder) or set(chain(*checkpoint.read_division(path))) <= done:
            path.unlink()


class GroupFiles:
    """The files of a group."""

    def __init__(self, plan: Plan, number: int, training: GroupTraining) -> None:
        self.plan, self.number, self.training = plan, number, training
        self.path = plan.folder / "state" / f"group-{number}.safetensors"
        self.members = {plan.members[place].key: plan.members[place] for place in plan.groups[number]}
        self.divided: list[list[Key]] = []  # the smaller stacks

    def describe(self) -> Group:
        """Read from the folder what is left to train.

        Raises:
            DataError: a file is damaged, or belongs to another group.
        """
        if all(map(self._is_done, self.members)):
            return Group(self.number, [])
        division = self.path.with_suffix(".json")
        self.divided = checkpoint.read_division(division)
        apart = set(chain(*self.divided))
        self._check(division, apart)
        self._remove_undivided(apart)
        rest = [key for key in self.members if key not in apart]
        return Group(self.number, [stack for keys in (*self.divided, rest) for stack in self._left(keys)])

    def take(self, event: Event) -> None:
        """Write finished members, the state of those in training, or the division into smaller stacks."""
        if isinstance(event, Epoch):
            self._finish(event)
        elif isinstance(event, Saved):
            # Histories first: a kill between the two leaves a history that is ahead of its state, and the epochs that
            # train again rewrite it with the same rows.
            for key, progress in zip(event.state.members, event.state.progress, strict=True):
                checkpoint.write_history(self._folder(key), progress)
            checkpoint.write_state(self._file(event.state.members), event.state)
        elif isinstance(event, Halved):
            self._divide(event.parts)

    def _left(self, keys: Sequence[Key]) -> Iterator[StackPlan]:
        """List what is left to train of the members of a state file.

        A member may have finished after the last state was saved. It then finishes again, in the stack it was in: the
        dropout of the others depends on the members of the stack, and their bytes must come out the same.
        """
        todo = [key for key in keys if not self._is_done(key)]
        path = self._file(keys)
        if todo and path.is_file():
            packed = checkpoint.read_state(path)
            saved = set(packed.members)
            self._check(path, saved)
            done = frozenset(saved.difference(todo))
            yield StackPlan([member for key, member in self.members.items() if key in saved], packed, path, done)
            todo = [key for key in todo if key not in saved]
        if todo:
            yield StackPlan([self.members[key] for key in todo], None, path)

    def _check(self, path: Path, found: set[Key]) -> None:
        if not found <= set(self.members):
            raise DataError(
                f"{path}: holds the members (seed, fold) {_listed(found)}; this group has {_listed(self.members)}",
                hint="give the same seeds and --group-size, or delete it to train this group from the beginning",
            )

    def _remove_undivided(self, apart: set[Key]) -> None:
        """Remove the states that a process left which was killed while it divided the group."""
        known = {self._file(keys) for keys in self.divided}
        for path in self.path.parent.glob(f"group-{self.number}-*.safetensors"):
            if path not in known:
                path.unlink()
        if apart and self.path.is_file() and apart & set(checkpoint.read_state(self.path).members):
            self.path.unlink()

    def _finish(self, epoch: Epoch) -> None:
        for finished in epoch.finished:
            member = finished.member
            rows = self.training.inputs[member.fold].vocabulary.rows
            origin = self.training.origin
            began = origin.record(member.seed) if origin is not None else None
            select = self.training.recipe.training.select
            checkpoint.write_run(self._folder(member.key), finished, select, rows, began)
        # Only now: a kill before a member is written must find the state that leads to it.
        if len(epoch.finished) == len(epoch.rows):
            self._file([member.key for member, _ in epoch.rows]).unlink(missing_ok=True)
            if self.divided and all(map(self._is_done, self.members)):
                self.path.with_suffix(".json").unlink(missing_ok=True)

    def _divide(self, parts: Sequence[Sequence[Key]]) -> None:
        """Divide a stack; a kill finds it either whole or divided, because the list of stacks is written in between."""
        whole = self._file(parts[0])
        members = set(chain(*parts))
        others = [stack for stack in self.divided if not members & set(stack)]
        if whole.is_file():
            packed = checkpoint.read_state(whole)
            for part in parts:
                checkpoint.write_state(self._part_file(part), checkpoint.select_state(packed, part))
        self.divided = [*others, *map(list, parts)]
        checkpoint.write_division(self.path.with_suffix(".json"), self.divided)
        whole.unlink(missing_ok=True)

    def _file(self, keys: Sequence[Key]) -> Path:
        """Return the state file of the stack that these members train in."""
        for stack in self.divided:
            if set(keys) & set(stack):
                return self._part_file(stack)
        return self.path

    def _part_file(self, stack: Sequence[Key]) -> Path:
        """Return the state file of a smaller stack, named by the places of its first and last member in the group.

        A part of the stack ends at another member, so no two stacks share a name, not even while one is divided.
        """
        places = list(self.members)
        first, last = places.index(stack[0]), places.index(stack[-1])
        return self.path.with_name(f"group-{self.number}-{first}-{last}.safetensors")

    def _is_done(self, key: Key) -> bool:
        return is_done(self._folder(key))

    def _folder(self, key: Key) -> Path:
        return checkpoint.run_folder(self.plan.folder, self.members[key], len(self.plan.experiment.folds))


def _listed(members: Iterable[Key]) -> str:
    return ", ".join(f"({seed}, {fold})" for seed, fold in sorted(members))
