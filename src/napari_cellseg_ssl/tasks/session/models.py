"""Which model of a session is the current one, and which is the user's while a starter is used instead."""

from dataclasses import replace

from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.starters import is_starter
from napari_cellseg_ssl.tasks.session.state import SessionState


def took(state: SessionState, bundle: ModelBundle, words: str) -> SessionState:
    """Take a model that was not learned here; a starter is only borrowed, so the user's choices and notes stay."""
    if not is_starter(bundle):
        return with_bundle(state, bundle, words)
    own_version = state.own_version if state.borrowed else state.current
    used = replace(state, method_id=bundle.method_id)
    used = replace(with_bundle(used, bundle, words), own=state.own, own_version=own_version, borrowed=True)
    return replace(used, method_id=state.method_id or bundle.method_id, learns=state.learns)


def numbered(state: SessionState, number: int) -> SessionState:
    """Say which version the user's model is of."""
    return replace(state, current=number, own_version=number)


def give_back(state: SessionState, method_id: str) -> SessionState:
    """Segment with a starter no longer; the user's model of the method that is chosen is the current one again."""
    if state.own is None or state.own.method_id != method_id:
        return replace(state, borrowed=False)
    return replace(state, borrowed=False, bundle=state.own, current=state.own_version)


def with_bundle(state: SessionState, bundle: ModelBundle, words: str) -> SessionState:
    """Make a model the current one, and its method the chosen one."""
    is_same = bundle.method_id == state.method_id
    return replace(
        state,
        method_id=bundle.method_id,
        learns=state.learns if is_same else bool(bundle.weights),
        bundle=bundle,
        current=None,
        borrowed=False,
        own=bundle,
        own_version=None,
        has_maps=False,
        agreement="",
        remark="",
        message=f"{words} model '{bundle.name}'.",
    )
